"""Verifies a receipt without asking anyone: the file, the published keys, and nothing else (promise P5).

Rules:
- A receipt is a compact JWS (RFC 7515) signed with Ed25519 (RFC 8037, RFC 9864), its payload canonical JSON
  (RFC 8785): one content has one byte form, so that a hash of it means something.
- Only what the signature covers is shown. A key is chosen by its `kid` from the key set that the reader trusts.
"""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from libs.common.http.keysets import FETCH_TIMEOUT_S, SET_BYTES_MAX, KeySet, KeySetError, fetch, usable_keys
from libs.common.wire.values import JsonError, strict_json

ALGORITHM = "Ed25519"
_RECEIPT_CHARACTERS_MAX = 64 * 1024
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_UNREADABLE = (JoseError, ValueError, TypeError, RecursionError)


class ReceiptError(Exception):
    """The receipt does not hold; the text is the reason."""


class UnreadableError(Exception):
    """What was given is not in the form of what is to be verified; nothing is said about whether it holds."""


class KeysError(UnreadableError):
    """The key set could not be read; nothing is said about the receipt."""


def verify_receipt(receipt: str, jwks: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a receipt that holds.

    `receipt` is the compact JWS, or a JSON object that has it under `receipt` (the answer of a grant); `jwks` is a
    public JWK set (RFC 7517). Raises ReceiptError with the reason, UnreadableError when it is no receipt at all, and
    KeysError when `jwks` is no key set.
    """
    if len(receipt) > _RECEIPT_CHARACTERS_MAX:
        raise UnreadableError(f"it is longer than {_RECEIPT_CHARACTERS_MAX} characters")
    keys, compact = _keys(jwks), _compact(receipt.strip())
    try:
        header = jws.extract_compact(compact).headers()
        kid = header.get("kid") if isinstance(header, dict) else None
        if not isinstance(kid, str) or kid not in keys:
            raise ReceiptError(f"it names the signing key {kid!r}, which is not in the key set")
    except _UNREADABLE as error:
        raise ReceiptError(f"the signature does not hold ({type(error).__name__})") from error
    return _canonical(_signed(compact, keys[kid]))


def read_jwks(source: str) -> Mapping[str, Any]:
    """The JWK set at a path or an http(s) address. Raises KeysError."""
    try:
        document = strict_json(_read(source).removeprefix(BOM_UTF8))
    except (OSError, httpx2.HTTPError, httpx2.InvalidURL, KeySetError, JsonError) as error:
        raise KeysError(f"no key set at {source} ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise KeysError(f"no key set at {source}")
    return document


def lines(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The content for a reader: one (field, value) a line, what is nested under its parent's name or place."""
    if isinstance(content, Mapping):
        for field, value in content.items():
            yield from lines(value, f"{name}.{field}" if name else field)
    elif isinstance(content, list) and any(isinstance(item, Mapping | list) for item in content):
        for place, item in enumerate(content, start=1):
            yield from lines(item, f"{name}.{place}")
    elif isinstance(content, list):
        yield name, ", ".join(str(item) for item in content)
    else:
        yield name, "" if content is None else str(content)


def _keys(jwks: Mapping[str, Any]) -> KeySet:
    try:
        return usable_keys(jwks, reader="receipt")
    except KeySetError as error:
        raise KeysError(f"that is no key set ({error})") from error


def _signed(compact: bytes, keys: Sequence[Key]) -> bytes:
    """What one of the keys of that name signed. Raises ReceiptError when none of them did."""
    reason = ""
    for key in keys:
        try:
            return jws.deserialize_compact(compact, key, algorithms=[ALGORITHM]).payload
        except _UNREADABLE as error:
            reason = type(error).__name__
    raise ReceiptError(f"the signature does not hold ({reason})")


def _compact(text: str) -> bytes:
    if text.startswith("{"):
        try:
            text = str(strict_json(text.encode())["receipt"])
        except (ValueError, KeyError) as error:
            raise UnreadableError("it is neither a JWS nor a JSON object with a receipt in it") from error
    if not _JWS.fullmatch(text):
        raise UnreadableError("it is neither a JWS nor a JSON object with a receipt in it")
    return text.encode()


def _canonical(payload: bytes) -> Mapping[str, Any]:
    try:
        content = strict_json(payload)
        same = rfc8785.dumps(content) == payload
    except (JsonError, rfc8785.CanonicalizationError) as error:
        raise ReceiptError("its content is not JSON that has a canonical form") from error
    if not same or not isinstance(content, dict):
        raise ReceiptError("its content is not in the canonical form of RFC 8785")
    return content


def _read(source: str) -> bytes:
    if not source.startswith(("http://", "https://")):
        with Path(source).open("rb") as file:
            return file.read(SET_BYTES_MAX)
    return asyncio.run(_fetched(source))


async def _fetched(source: str) -> bytes:
    async with httpx2.AsyncClient(timeout=FETCH_TIMEOUT_S) as client:
        return await fetch(client, source, FETCH_TIMEOUT_S)

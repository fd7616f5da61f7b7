"""Verifies a citizen's whole chain of receipts without asking anyone, so that a receipt that is missing shows (P5).

Rules:
- Every receipt verifies by itself, and all are one citizen's, by one issuer.
- Their numbers run 1, 2, 3 and so on, and each names the hash of the one before it.
- The first thing that does not hold is named by the receipt's place in the file.
- What a file cannot show is that receipts were left off at its end; its last number is printed, to be compared.

A file is what the service answers (`GET …/receipts`, the export), newest or oldest first, or one receipt a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

from libs.cli.verifying.receipt import ReceiptError, UnreadableError, verify_receipt
from libs.common.wire.values import JsonError, strict_json

_CHAIN_CHARACTERS_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """One receipt of a chain that holds: its number, its content, and the hash that the next one names."""

    sequence: int
    content: Mapping[str, Any]
    sha256: str


def verify_chain(text: str, jwks: Mapping[str, Any]) -> list[Held]:
    """Every receipt of the file, oldest first.

    Raises ReceiptError naming what does not hold: a receipt by its place, a gap, a repetition, an order that is none,
    one of another citizen or issuer, a broken hash; UnreadableError when it is no list of receipts, or
    `jwks` no key set.
    """
    if len(text) > _CHAIN_CHARACTERS_MAX:
        raise UnreadableError(f"it is longer than {_CHAIN_CHARACTERS_MAX} characters")
    chain = [_held(place, receipt, jwks) for place, receipt in enumerate(_receipts(text), start=1)]
    if not chain:
        raise UnreadableError("there is no receipt in it")
    if chain[0].sequence > chain[-1].sequence:
        chain.reverse()
    _check_first(chain[0])
    for before, here in pairwise(chain):
        _check_next(before, here)
    return chain


def _receipts(text: str) -> list[str]:
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return stripped.split()
    try:
        document = strict_json(stripped.encode())
    except JsonError as error:
        raise UnreadableError("it is neither a list of receipts nor one receipt a line") from error
    if isinstance(document, dict):
        document = document.get("receipts", document.get("items"))
    if isinstance(document, dict):
        document = document.get("items")
    if not isinstance(document, list):
        raise UnreadableError("it has no list of receipts in it")
    return [_jws(item) for item in document]


def _jws(item: Any) -> str:
    receipt = item.get("jws") if isinstance(item, dict) else item
    if not isinstance(receipt, str):
        raise UnreadableError("it holds something that is no receipt")
    return receipt


def _held(place: int, receipt: str, jwks: Mapping[str, Any]) -> Held:
    compact = receipt.strip()
    try:
        content = verify_receipt(compact, jwks)
    except ReceiptError as error:
        raise ReceiptError(f"receipt {place} of the file does not hold: {error}") from error
    sequence = content.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool):
        raise ReceiptError(f"receipt {place} of the file has no number")
    return Held(sequence, content, sha256(compact.encode()).hexdigest())


def _check_first(first: Held) -> None:
    if first.sequence > 1:
        raise ReceiptError(f"it begins with number {first.sequence}: {_missing(1, first.sequence - 1)}")
    if first.sequence != 1 or first.content.get("previous_receipt_sha256") is not None:
        raise ReceiptError("its first receipt is not the first of a chain")


def _check_next(before: Held, here: Held) -> None:
    for field, whose in (("subject", "citizen"), ("issuer", "issuer")):
        if here.content.get(field) != before.content.get(field):
            raise ReceiptError(f"receipt number {here.sequence} is another {whose}'s")
    if here.sequence == before.sequence:
        raise ReceiptError(f"number {here.sequence} is there twice")
    if here.sequence < before.sequence:
        raise ReceiptError(f"the order is broken: number {here.sequence} comes after number {before.sequence}")
    if here.sequence > before.sequence + 1:
        raise ReceiptError(f"there is a gap: {_missing(before.sequence + 1, here.sequence - 1)}")
    if here.content.get("previous_receipt_sha256") != before.sha256:
        raise ReceiptError(f"number {here.sequence} does not name the hash of number {before.sequence}")


def _missing(first: int, last: int) -> str:
    return f"number {first} is missing" if first == last else f"numbers {first} to {last} are missing"

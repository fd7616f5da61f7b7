"""One strange key never spoils the set, wherever a set is read: at a door's verifier and at `receipt verify`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import orjson
import pytest
import rfc8785
from joserfc import jws
from joserfc.jwk import OKPKey

from libs.cli.verifying.receipt import KeysError, verify_receipt
from libs.common.http import keysets
from libs.common.http.auth import TokenVerifier, TrustedIssuer
from libs.common.http.keysets import KEYS_MAX, SET_BYTES_MAX, KeySetError, usable_keys
from libs.common.http.problems import UnavailableError
from tests.common.world.tokens import AUDIENCE, Issuer, new_key

_EC = new_key("ES256").as_dict(private=False)
_RSA = new_key("RS256").as_dict(private=False)


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


STRANGE: dict[str, object] = {
    "secp256k1": {"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA", "kid": "k1"},
    "unknown curve": {**_EC, "crv": "P-9000"},
    "another curve of ours": {**_EC, "crv": "P-384"},
    "unknown curve of OKP": {"kty": "OKP", "crv": "Ed25520", "x": "AAAA", "kid": "k1"},
    "OKP of the wrong length": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "k1"},
    "a curve that is no text": {**_EC, "crv": ["P-256"]},
    "RSA without e": _without(_RSA, "e"),
    "RSA with a huge e": {**_RSA, "e": "A" * 5000},
    "RSA too short": {"kty": "RSA", "n": "AQAB" * 20, "e": "AQAB", "kid": "k1"},
    "RSA too long": {"kty": "RSA", "n": "_" * 3000, "e": "AQAB", "kid": "k1"},
    "RSA with a number": {**_RSA, "n": 7},
    "a point off the curve": {**_EC, "y": _EC["x"]},
    "x that is no base64": {**_EC, "x": "æøå"},
    "key_ops a text": {**_EC, "key_ops": "verify"},
    "key_ops for signing": {**_EC, "key_ops": ["sign"]},
    "key_ops of lists": {**_EC, "key_ops": [["verify"], {}]},
    "use for secrecy": {**_EC, "use": "enc"},
    "use a list": {**_EC, "use": ["sig"]},
    "alg a number": {**_EC, "alg": 7},
    "a shared secret": {"kty": "oct", "k": "AAAA", "kid": "k1"},
    "an unknown kind": {"kty": "moon", "kid": "k1"},
    "kind a list": {"kty": ["EC"], "kid": "k1"},
    "no kind": _without(_EC, "kty"),
    "no name": _without(_EC, "kid"),
    "name a number": {**_EC, "kid": 7},
    "name empty": {**_EC, "kid": ""},
    "name endless": {**_EC, "kid": "k" * 5000},
    "null": None,
    "a text": "key",
    "a number": 7,
    "a list": [],
    "nothing": {},
}
BROKEN: dict[str, bytes] = {
    "not JSON": b"<html>",
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "no keys": b"{}",
    "keys an object": b'{"keys":{}}',
    "keys null": b'{"keys":null}',
    "no key at all": b'{"keys":[]}',
    "only a strange key": b'{"keys":[{"kty":"moon","kid":"k1"}]}',
    "too large": b'{"keys":[]' + b" " * SET_BYTES_MAX + b"}",
    "deep": b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}",
}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def _verifier(issuer: Issuer, answer: Callable[[httpx2.Request], httpx2.Response]) -> TokenVerifier:
    trusted = TrustedIssuer(issuer.url, f"{issuer.url}/keys")
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return TokenVerifier([trusted], AUDIENCE, client=client, clock=lambda: issuer.now)


def _set(*entries: object) -> httpx2.Response:
    return httpx2.Response(200, content=orjson.dumps({"keys": entries}))


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_a_strange_key_beside_the_good_one_is_skipped_and_counted(
    issuer: Issuer, strange: object, first: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    good = issuer.keys[0].as_dict(private=False)
    entries = [strange, good] if first else [good, strange]
    assert (await _verifier(issuer, lambda _: _set(*entries)).verify(issuer.token())).subject == "bif101"
    assert '"count":1' in capfd.readouterr().out.replace(" ", "")


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
async def test_a_key_that_shares_the_name_does_not_replace_the_signing_key(issuer: Issuer, first: bool) -> None:
    good = issuer.keys[0].as_dict(private=False)
    for other in ({**_EC, "kid": good["kid"], "use": "enc"}, {**_EC, "kid": good["kid"]}, {**_RSA, "kid": good["kid"]}):
        entries = [other, good] if first else [good, other]
        assert await _verifier(issuer, lambda _, entries=entries: _set(*entries)).verify(issuer.token())


@pytest.mark.parametrize("x5c", ["text", 7, None, {}, ["not a certificate"]])
async def test_what_we_do_not_read_of_a_key_cannot_spoil_it(issuer: Issuer, x5c: object) -> None:
    good = {**issuer.keys[0].as_dict(private=False), "x5c": x5c, "x5t": 7, "oth": "?"}
    assert await _verifier(issuer, lambda _: _set(good)).verify(issuer.token())


async def test_keys_beyond_the_limit_are_skipped_and_counted(issuer: Issuer, capfd: pytest.CaptureFixture[str]) -> None:
    good = issuer.keys[0].as_dict(private=False)
    others = [{**_EC, "kid": f"k{number}"} for number in range(KEYS_MAX)]
    assert await _verifier(issuer, lambda _: _set(good, *others)).verify(issuer.token())
    assert len(usable_keys({"keys": [*others, good]})) == KEYS_MAX
    assert capfd.readouterr().out.replace(" ", "").count('"count":1') == 2  # one for each of the two sets


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
async def test_a_broken_set_lets_nobody_in_and_takes_nobodys_keys_away(issuer: Issuer, content: bytes) -> None:
    served = {"now": httpx2.Response(200, content=content)}
    verifier = _verifier(issuer, lambda _: httpx2.Response(200, content=served["now"].content))
    with pytest.raises(UnavailableError):
        await verifier.verify(issuer.token())
    served["now"] = _set(issuer.keys[0].as_dict(private=False))
    verifier = _verifier(issuer, lambda _: httpx2.Response(200, content=served["now"].content))
    await verifier.verify(issuer.token())
    served["now"] = httpx2.Response(200, content=content)
    clock = issuer.now
    issuer.now += 600
    assert await verifier.verify(issuer.token())
    issuer.now = clock


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 500])
async def test_keys_come_from_the_address_that_we_were_told(issuer: Issuer, status: int) -> None:
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.url.path == "/elsewhere":
            return _set(issuer.keys[0].as_dict(private=False))
        return httpx2.Response(status, headers={"Location": f"{issuer.url}/elsewhere"})

    with pytest.raises(UnavailableError):
        await _verifier(issuer, answer).verify(issuer.token())
    assert asked == [f"{issuer.url}/keys"]


async def test_a_set_that_drips_is_given_up_in_time_and_one_without_end_in_bytes(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    async def drips() -> AsyncIterator[bytes]:
        yield b'{"keys":['
        await asyncio.Event().wait()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(1)
            yield b" " * 65_536

    monkeypatch.setattr(keysets, "FETCH_TIMEOUT_S", 0.05)
    for body in (drips, endless):
        with pytest.raises(UnavailableError):
            await _verifier(issuer, lambda _, body=body: httpx2.Response(200, content=body())).verify(issuer.token())
    assert 0 < len(sent) <= SET_BYTES_MAX // 65_536 + 1


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
def test_a_receipt_is_verified_beside_a_strange_key(strange: object) -> None:
    signer = OKPKey.generate_key("Ed25519", {"kid": "receipts-1"})
    content = {"event": "samtykke.afgivet"}
    protected = {"alg": "Ed25519", "kid": signer.kid}
    receipt = jws.serialize_compact(protected, rfc8785.dumps(content), signer, algorithms=["Ed25519"])
    good = signer.as_dict(private=False)
    twin = {**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": signer.kid}
    for entries in ([strange, good], [good, strange], [twin, good], [good, {**twin, "use": "enc"}]):
        assert verify_receipt(receipt, {"keys": entries}) == content
    with pytest.raises(KeysError):
        verify_receipt(receipt, {"keys": [strange]})


def test_what_is_no_set_is_said_to_be_none() -> None:
    for document in (None, [], "keys", 7, {}, {"keys": "x"}, {"keys": [None]}):
        with pytest.raises(KeySetError):
            usable_keys(document)

"""A receipt is verified with a file and a key set alone, and any change to it is found."""

import base64
import json
import string
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from joserfc import jws
from joserfc.jwk import KeySet, OctKey, OKPKey
from typer.testing import CliRunner

from libs.cli.__main__ import app
from libs.cli.verifying.receipt import KeysError, ReceiptError, UnreadableError, lines, read_jwks, verify_receipt

CONTENT = {
    "receipt_id": "5f0c0e0a-2d6f-4b52-9d0e-1a6a4fb7f3a1",
    "event": "samtykke.afgivet",
    "consent": {"purpose": "KOORDINERING", "categories": ["FREMMOEDE", "BESKAEFTIGELSESFORLOEB"]},
    "issued_at": "2026-11-22T10:00:00Z",
    "previous_sha256": None,
}


def key(kid: str = "k1") -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid})


def issue(signer: OKPKey, payload: bytes) -> str:
    protected = {"alg": "Ed25519", "kid": signer.kid}
    return jws.serialize_compact(protected, payload, signer, algorithms=["Ed25519"])


def published(*keys: OKPKey) -> dict[str, Any]:
    return KeySet(list(keys)).as_dict(private=False)


@pytest.fixture
def signer() -> OKPKey:
    return key()


@pytest.fixture
def receipt(signer: OKPKey) -> str:
    return issue(signer, rfc8785.dumps(CONTENT))


def test_a_true_receipt_holds_and_shows_its_content(signer: OKPKey, receipt: str) -> None:
    assert verify_receipt(receipt, published(signer)) == CONTENT


def test_the_answer_of_a_grant_holds_a_receipt_too(signer: OKPKey, receipt: str) -> None:
    answer = json.dumps({"consent": {}, "receipt": receipt})
    assert verify_receipt(answer, published(signer)) == CONTENT


@pytest.mark.parametrize("part", [0, 1, 2])
def test_every_changed_character_is_found(signer: OKPKey, receipt: str, part: int) -> None:
    parts = receipt.split(".")
    for place, letter in enumerate(parts[part]):
        changed = parts[part][:place] + ("A" if letter != "A" else "B") + parts[part][place + 1 :]
        assert_refused(".".join([*parts[:part], changed, *parts[part + 1 :]]), signer)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_bits_that_base64_leaves_over_are_not_free_to_be_changed(signer: OKPKey, receipt: str, part: int) -> None:
    parts = receipt.split(".")
    for letter in set(string.ascii_letters + string.digits + "-_") - {parts[part][-1]}:
        changed = parts[part][:-1] + letter
        assert_refused(".".join([*parts[:part], changed, *parts[part + 1 :]]), signer)


def assert_refused(receipt: str, signer: OKPKey) -> None:
    with pytest.raises(ReceiptError):
        verify_receipt(receipt, published(signer))


def test_a_signature_by_another_key_of_the_same_name_is_refused(receipt: str) -> None:
    with pytest.raises(ReceiptError, match="signature does not hold"):
        verify_receipt(receipt, published(key()))


def test_a_key_that_is_not_published_is_refused(receipt: str) -> None:
    with pytest.raises(ReceiptError, match="not in the key set"):
        verify_receipt(receipt, published(key("k2")))


def test_an_unsigned_receipt_is_refused(signer: OKPKey) -> None:
    parts = (b'{"alg":"none","kid":"k1"}', rfc8785.dumps(CONTENT))
    head, body = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    with pytest.raises(ReceiptError):
        verify_receipt(f"{head}.{body}.", published(signer))


def test_the_published_key_used_as_a_shared_secret_is_refused(signer: OKPKey) -> None:
    public = base64.urlsafe_b64decode(signer.as_dict(private=False)["x"] + "=")
    forged = jws.serialize_compact({"alg": "HS256", "kid": "k1"}, rfc8785.dumps(CONTENT), OctKey.import_key(public))
    with pytest.raises(ReceiptError):
        verify_receipt(forged, published(signer))


@pytest.mark.parametrize("payload", [b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1,"a":1}', b'{"a":1.0}', b"[1]", b"no"])
def test_a_signed_content_that_is_not_canonical_is_refused(signer: OKPKey, payload: bytes) -> None:
    with pytest.raises(ReceiptError, match="content is not"):
        verify_receipt(issue(signer, payload), published(signer))


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"receipt":', '{"receipt":1}', '{"receipt":"a.b.c","receipt":"a.b.c"}', "a.b", "æ.ø.å", "x" * 70_000],
)
def test_what_is_no_receipt_is_unreadable_and_not_called_forged(signer: OKPKey, text: str) -> None:
    with pytest.raises(UnreadableError):
        verify_receipt(text, published(signer))


def test_what_has_the_shape_of_a_receipt_and_no_signature_is_refused(signer: OKPKey) -> None:
    with pytest.raises(ReceiptError):
        verify_receipt("a.b.c", published(signer))


@pytest.mark.parametrize("document", [None, "{", "[]", '{"keys":[{"kty":"moon"}]}'])
def test_a_broken_key_set_says_nothing_about_the_receipt(tmp_path: Path, document: str | None) -> None:
    file = tmp_path / "jwks.json"
    if document is not None:
        file.write_text(document)
    with pytest.raises(KeysError):
        verify_receipt("a.b.c", read_jwks(str(file)))


def test_nested_content_is_shown_a_field_a_line() -> None:
    shown = dict(lines(CONTENT))
    assert shown["consent.purpose"] == "KOORDINERING"
    assert shown["consent.categories"] == "FREMMOEDE, BESKAEFTIGELSESFORLOEB"
    assert not shown["previous_sha256"]


def _files(tmp_path: Path, signer: OKPKey, text: str) -> list[str]:
    (tmp_path / "receipt.jws").write_text(text)
    (tmp_path / "jwks.json").write_text(json.dumps(published(signer)))
    return ["receipt", "verify", str(tmp_path / "receipt.jws"), "--jwks", str(tmp_path / "jwks.json")]


def test_the_command_prints_what_the_signature_covers(tmp_path: Path, signer: OKPKey, receipt: str) -> None:
    result = CliRunner().invoke(app, _files(tmp_path, signer, receipt))
    assert result.exit_code == 0, result.output
    assert "KOORDINERING" in result.output


def test_the_command_ends_with_2_and_the_reason_when_it_does_not_hold(
    tmp_path: Path, signer: OKPKey, receipt: str
) -> None:
    result = CliRunner().invoke(app, _files(tmp_path, signer, receipt[:-6] + "AAAAAA"))
    assert result.exit_code == 2
    assert "signature does not hold" in result.output
    assert "KOORDINERING" not in result.output


def test_files_that_an_editor_began_with_a_byte_order_mark_are_the_same_files(
    tmp_path: Path, signer: OKPKey, receipt: str
) -> None:
    arguments = _files(tmp_path, signer, receipt)
    for file in tmp_path.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{}", b"not a receipt", b"{"])
def test_the_command_ends_with_1_when_the_file_cannot_be_read(tmp_path: Path, signer: OKPKey, content: bytes) -> None:
    arguments = _files(tmp_path, signer, "")
    (tmp_path / "receipt.jws").write_bytes(content)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "cannot be verified" in result.output


def test_the_command_ends_with_1_when_there_is_nothing_to_verify_with(tmp_path: Path, receipt: str) -> None:
    (tmp_path / "receipt.jws").write_text(receipt)
    missing = str(tmp_path / "none.json")
    result = CliRunner().invoke(app, ["receipt", "verify", str(tmp_path / "receipt.jws"), "--jwks", missing])
    assert result.exit_code == 1

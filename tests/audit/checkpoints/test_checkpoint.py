"""The text that is signed, and the note around it: one form, and nothing that could mean two things."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.audit.checkpoints.checkpoint import (
    Checkpoint,
    Signature,
    key_id,
    note,
    parse_note,
    require_follows,
    verifier_key,
)
from services.audit.checkpoints.key import LogKey
from services.audit.model.errors import CheckpointError

ROOT = bytes(range(32))
HEAD = Checkpoint("example.org/log", 42, ROOT)
SIGNATURE = Signature("example.org/log", b"\1\2\3\4", b"s" * 64)


def test_a_note_is_read_back_as_it_was_written() -> None:
    text = note(HEAD, (SIGNATURE,))
    assert text == (
        f"example.org/log\n42\n{base64.b64encode(ROOT).decode()}\n\n"
        f"— example.org/log {base64.b64encode(bytes([1, 2, 3, 4]) + b's' * 64).decode()}\n"
    )
    assert parse_note(text) == (HEAD, (SIGNATURE,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n42\n", "\n042\n"),
        ("\n42\n", "\n+42\n"),
        ("\n42\n", "\n4٢\n"),
        ("\n42\n", "\n-1\n"),
        ("\n42\n", "\n\n"),
        ("=\n\n", "=\nextension\n\n"),
        ("=\n\n", "\n\n"),
        ("AAEC", "AA EC"),
        ("example.org/log\n", "\n"),
        ("— ", "- "),
        ("— example.org/log ", "— example.org/log"),
        ("\n\n", "\n"),
    ],
)
def test_a_note_in_any_other_form_is_refused(old: str, new: str) -> None:
    text = note(HEAD, (SIGNATURE,))
    assert old in text
    with pytest.raises(CheckpointError):
        parse_note(text.replace(old, new, 1))


def test_a_root_of_another_length_is_refused() -> None:
    with pytest.raises(CheckpointError):
        parse_note(note(Checkpoint("log", 1, ROOT + b"x"), (SIGNATURE,)))


def test_the_published_sample_of_a_signed_note_has_our_key_id_and_verifies() -> None:
    """The sample of Go's sumdb/note, from which C2SP's signed note is specified."""
    name, stated, encoded = "PeterNeumann", "c74f20a3", "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    public = base64.b64decode(encoded)[1:]
    assert key_id(name, public).hex() == stated
    assert verifier_key(name, public) == f"{name}+{stated}+{encoded}"
    blob = base64.b64decode(line)
    assert blob[:4] == key_id(name, public)
    Ed25519PublicKey.from_public_bytes(public).verify(blob[4:], text.encode())


def test_a_larger_tree_may_follow_and_nothing_else(log_key: LogKey) -> None:
    require_follows(Checkpoint("example.org/log", 43, bytes(32)), HEAD)
    require_follows(HEAD, HEAD)
    for new, code in (
        (Checkpoint("example.org/log", 41, ROOT), "tree_went_backwards"),
        (Checkpoint("example.org/log", 42, bytes(32)), "tree_forked"),
        (Checkpoint("another/log", 43, ROOT), "another_log"),
    ):
        with pytest.raises(CheckpointError, match=code):
            require_follows(new, HEAD)


def test_a_signed_note_opens_and_a_changed_or_foreign_one_does_not(log_key: LogKey) -> None:
    head = Checkpoint(log_key.name, 42, ROOT)
    signed = log_key.sign(head)
    assert log_key.open(signed) == head
    with pytest.raises(CheckpointError, match="signature"):
        log_key.open(signed.replace("\n42\n", "\n43\n"))
    with pytest.raises(CheckpointError, match="not_signed_by_us"):
        log_key.open(note(head, (SIGNATURE,)))
    assert log_key.open(signed + note(head, (SIGNATURE,)).partition("\n\n")[2]) == head

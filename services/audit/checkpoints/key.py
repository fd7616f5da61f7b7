"""The key that signs checkpoints (C2SP signed-note, Ed25519). Only the signer's process ever has it."""

from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.checkpoints import checkpoint as checkpoints_checkpoint
from services.audit.checkpoints.checkpoint import Checkpoint, Signature
from services.audit.model.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class LogKey:
    """A named signing key. The name is the log's origin."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, secrets_dir: Path) -> "LogKey":
        """From `log-key.json`. Raises OSError, KeyError or ValueError when it is not there or not whole."""
        stored = orjson.loads((secrets_dir / "log-key.json").read_bytes())
        return cls(stored["name"], Ed25519PrivateKey.from_private_bytes(b64decode(stored["seed"], validate=True)))

    @property
    def vkey(self) -> str:
        """The public half, as it is handed out."""
        return checkpoints_checkpoint.verifier_key(self.name, self._public)

    @property
    def _public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note. Ed25519 is deterministic: the same checkpoint gives the same note."""
        signature = self.private.sign(checkpoint.text().encode())
        return checkpoints_checkpoint.note(
            checkpoint, (Signature(self.name, checkpoints_checkpoint.key_id(self.name, self._public), signature),)
        )

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key signed, whoever else did. Raises CheckpointError."""
        checkpoint, signatures = checkpoints_checkpoint.parse_note(note)
        mine = [
            s
            for s in signatures
            if (s.name, s.key_id) == (self.name, checkpoints_checkpoint.key_id(self.name, self._public))
        ]
        try:
            for signature in mine:
                self.private.public_key().verify(signature.signature, checkpoint.text().encode())
        except InvalidSignature:
            raise CheckpointError("signature") from None
        if not mine:
            raise CheckpointError("not_signed_by_us")
        return checkpoint

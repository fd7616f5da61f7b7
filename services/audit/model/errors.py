"""What can be wrong with an entry, a proof or a checkpoint. Each `str()` is a code, safe to log and to store."""


class AuditError(Exception):
    """The base of them all."""


class ProfileError(AuditError):
    """A value lies outside the canonical profile, so that two implementations might write it differently."""


class EntryError(AuditError):
    """A record is not an audit entry. The code says in which way."""


class ProofError(AuditError):
    """A proof does not show what it claims."""


class CheckpointError(AuditError):
    """A checkpoint is malformed, or contradicts one that was signed before."""

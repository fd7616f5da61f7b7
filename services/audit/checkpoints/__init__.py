"""Signed checkpoints of the log (C2SP tlog-checkpoint): the signer, its key, and what it refuses to sign."""

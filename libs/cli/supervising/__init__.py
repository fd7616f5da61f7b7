"""Supervision: child processes, their incarnations and slots, and the proof that a holder is dead (docs/fence.md)."""

"""Scopes and their epochs: locked, read and changed by every command (docs/fence.md)."""

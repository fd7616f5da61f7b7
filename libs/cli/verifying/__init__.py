"""Verification from outside: receipts and their chains, the audit log, files of events."""

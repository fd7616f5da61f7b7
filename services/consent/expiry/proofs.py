"""Receipts of what ended without the citizen ending it: expiry and closing, issued by the service itself (P5, R44)."""

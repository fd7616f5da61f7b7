"""Rings doorbells (Standard Webhooks): signed messages that there is something to read, and not what."""

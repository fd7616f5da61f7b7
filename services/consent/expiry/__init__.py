"""Ends consents whose end has come."""

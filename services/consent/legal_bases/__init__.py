"""Disclosure without consent: other legal bases, and emergencies with their review."""

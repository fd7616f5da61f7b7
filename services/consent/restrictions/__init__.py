"""Restriction of processing (GDPR art. 18): recorded, told and lifted."""

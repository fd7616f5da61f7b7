"""A citizen gives consent, renews it or changes it."""

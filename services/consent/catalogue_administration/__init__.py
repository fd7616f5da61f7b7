"""Administers the catalogue: versions are added and ended, linted in plain language, and loaded from files."""

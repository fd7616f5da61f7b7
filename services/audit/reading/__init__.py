"""Entries opened for the data protection officer and for the citizen they are about."""

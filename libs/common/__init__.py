"""Plumbing that every service needs in the same form, and the wire contract between them.

Admission: a second real use, no business rule, no table that one service owns, no import of `services`.
"""

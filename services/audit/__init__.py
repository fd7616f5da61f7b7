"""audit says *what was done*: an append-only, verifiable, still erasable record. It decides nothing about the present.

It owns the log, the openings of what the leaves commit to and the keys of those openings; no identity, no decision.
"""

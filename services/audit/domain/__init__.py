"""The rules of the log, pure.

1. A leaf holds no personal data: only commitments, each under a salt of its own (`entry`).
2. Leaves are hashed into a tree that only grows (`tree`), proven by code that does not build it (`proof`).
3. A checkpoint names the log, its size and its root, and is what is signed (`checkpoint`).
4. Every producer's numbers are whole, or the hole itself is an entry (`numbering`).
"""

"""Signed receipts in one chain for each citizen (P5): issued, read, told in words, and as a PDF."""

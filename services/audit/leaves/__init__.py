"""The format of a leaf: canonical JSON, commitments and openings. Pure, and older than any code that reads it."""

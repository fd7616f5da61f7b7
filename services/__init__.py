"""Three services: `consent` says who may, `advis` says who wants, `audit` says what was done.

They never import each other.
"""

"""Advis: who wants to be told about what, and whether they were told.

Owns the case registry, the notifications, the doorbells and the inbox. Refuses to own whether disclosure is allowed:
it asks consent when an event arrives and again at the moment of disclosure, and keeps no copy of any consent.
"""

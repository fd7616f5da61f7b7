"""Everything about a citizen, to take along (GDPR art. 15 and 20)."""

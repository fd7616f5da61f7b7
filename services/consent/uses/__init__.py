"""The log of every use, and the citizen's page of it (P4)."""

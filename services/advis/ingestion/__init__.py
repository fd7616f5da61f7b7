"""The door at which source systems report case events, and ask what became of them."""

"""A citizen withdraws one consent, several or all of them."""

"""PostgreSQL: sessions, transactions, shares of a group, revisions."""

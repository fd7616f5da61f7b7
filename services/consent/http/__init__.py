"""What only HTTP needs: callers, pages, preconditions, negotiation, idempotency keys, signing and PDF."""

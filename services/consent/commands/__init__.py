"""What every command that ends something shares: its registration, the wait until it is drained, and the answer."""

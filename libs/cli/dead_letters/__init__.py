"""Dead letters, for the operator: which are parked, what is in one, and sending it again."""

"""What anyone needs to verify the log: keys, leaves, batches, proofs and the numbers that are missing."""

"""What a withdrawal waits for: permits of older epochs are drained, their holders fenced (docs/fence.md)."""

"""The citizen's view in one call."""

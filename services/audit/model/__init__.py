"""Values and errors that several packages share."""

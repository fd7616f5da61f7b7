"""The wire between services and sources: messages, permits, and the forms of values."""

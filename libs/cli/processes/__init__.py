"""Child processes that cannot outlive their starter."""

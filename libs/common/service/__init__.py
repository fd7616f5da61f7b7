"""A service: its application, its processes, and how they are put together."""

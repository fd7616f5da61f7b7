"""The whole system on one machine: its processes, its start and stop, and who may sign in."""

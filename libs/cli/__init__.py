"""The operator's command: starts and supervises the services, and otherwise speaks HTTP only."""

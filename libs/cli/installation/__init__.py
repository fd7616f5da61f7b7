"""What an installation stands on: PostgreSQL, databases, secrets, people, and the processes of each profile."""

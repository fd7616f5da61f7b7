"""The event bus: one port, Apache Kafka and PostgreSQL behind it, CloudEvents on it."""

"""The event bus of an installation: Kafka's server on this machine, topics, and who may do what with them."""

"""Appending: entries from the bus become leaves, in order, each number of a producer once."""

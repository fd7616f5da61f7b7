"""The inbox that a caseworker or a system reads, and the record of every look-up."""

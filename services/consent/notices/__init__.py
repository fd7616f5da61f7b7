"""Notices to citizens and to the data protection officer."""

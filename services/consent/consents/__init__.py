"""The record of a consent: its states and transitions, its store, its events and audit entries."""

"""Notifications and their doorbells: states, rows, and what cancels them."""

"""Reference data as advis reads it: subscriptions, endpoints, labels, and what each source may report."""

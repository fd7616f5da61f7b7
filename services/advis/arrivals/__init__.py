"""Case events as they arrive from the bus: openings asked of consent, matched with subscriptions and cases."""

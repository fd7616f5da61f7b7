"""Reading the bus: each record once, in order, or parked with its reason."""

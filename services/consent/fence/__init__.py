"""Permits (docs/fence.md): acquired, settled or ended by the death of their holder; arrivals and openings."""

"""Published specifications and what writes them."""

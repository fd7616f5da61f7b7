"""Missing numbers of producers: gaps are opened after a grace, and closed by the last late arrival."""

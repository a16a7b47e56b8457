"""How much training on one language is expected to help another: one file per measure."""

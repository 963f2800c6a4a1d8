"""How raw files are read, cut into records and judged."""

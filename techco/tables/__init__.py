"""The only code that writes tables, and what is remembered of how they were made."""

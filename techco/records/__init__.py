"""What is remembered of a run, and where it is found again."""

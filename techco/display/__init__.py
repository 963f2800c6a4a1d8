"""What a cell shows, in which words and plots, and how a report reads it back from the notebook."""

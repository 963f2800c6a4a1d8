"""Checks what a report needs of a machine and a storage, and names the remedy."""

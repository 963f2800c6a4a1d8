"""Check what a report needs of a machine and a storage, and name the remedy."""

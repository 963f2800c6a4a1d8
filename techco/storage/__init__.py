"""Where a shop's files are: a folder of this machine, or a container of a storage account."""

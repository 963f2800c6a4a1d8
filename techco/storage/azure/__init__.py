"""All that the package knows of Azure: storage accounts, identities and Key Vault; nothing else uses its libraries."""

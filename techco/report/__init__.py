"""How pages look; nothing else renders HTML."""

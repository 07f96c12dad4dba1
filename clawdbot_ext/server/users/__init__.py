"""Users with a space of their own each, in one process. Imported only where ``users.from`` is set."""

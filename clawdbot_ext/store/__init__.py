"""Sessions, transcripts and runs, kept durably. ``sqlite3`` is imported only in this package."""

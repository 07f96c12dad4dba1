"""The gateway of another machine through SSH."""

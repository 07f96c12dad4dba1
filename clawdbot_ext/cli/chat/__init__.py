"""The command ``clawdbot chat``."""

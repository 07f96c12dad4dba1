"""Tornado request handlers."""

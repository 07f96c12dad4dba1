"""Hands in notebooks: which tools a model gets, where they act, who allowed it, and how it is undone."""

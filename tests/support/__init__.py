"""Shared parts of tests: scripted peers, real processes, the search for outside tools."""

"""Runs: queue, execution, tools, approvals."""

"""Sockets, TLS, proxies and the checks on a request before any handler sees it."""

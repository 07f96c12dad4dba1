"""Attachments → what a model can read: one small module a kind, behind ``api``.

``api`` is all that others use. Files are parsed in a worker process (``worker``), so a hostile one costs neither the
event loop nor the gateway's memory, and the libraries that do it are never loaded into the gateway.
"""

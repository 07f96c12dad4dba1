"""Attachments between the wire and the store: taking files in, keeping them, naming them in messages, showing them to
the model. Contents of files are read by ``agent.media``; HTTP is in ``server.handlers.media``."""

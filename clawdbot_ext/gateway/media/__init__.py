"""Attachments between the wire and the store: taking files in, keeping them, naming them in messages, showing them to
the model. What is *in* a file is ``agent.media``'s business; HTTP is the edge's (``media_routes``)."""

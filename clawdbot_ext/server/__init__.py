"""The Jupyter Server extension and our own server: start, leadership, routes, network."""

"""The Jupyter Server extension and the standalone server: start, leadership, routes, network."""

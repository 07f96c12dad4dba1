"""One turn of the agent: providers, retries, what is sent to the model. ``anthropic`` is imported only in this package."""

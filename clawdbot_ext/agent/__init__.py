"""One turn of the agent: providers, retries, what is sent to the model. The SDK is imported only in this package."""

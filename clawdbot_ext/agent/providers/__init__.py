"""Model providers: the Messages API through the SDK, and the demo."""

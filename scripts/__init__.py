"""Programs that contributors run by hand: ``python -m scripts.generate``, ``python -m scripts.screenshots``."""

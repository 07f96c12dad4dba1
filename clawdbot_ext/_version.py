"""The one version of the distribution, the wheel and the labextension."""

__version__ = "0.1.0"

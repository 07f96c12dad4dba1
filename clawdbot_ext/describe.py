"""``describe`` under the path by which the JupyterLab extension of any version calls it inside kernels."""

from __future__ import annotations

from .client.describe import describe

__all__ = ["describe"]

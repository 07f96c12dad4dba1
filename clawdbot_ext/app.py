"""Entry point of our own server: ``jupyter clawdbot`` and ``python -m clawdbot_ext.app``, which service units name."""

from __future__ import annotations

import sys

from .server.launch import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

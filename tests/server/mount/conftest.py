"""pytest-jupyter, for the tests of this folder alone: its plugin takes 1 s to import and gives every test a loop."""

from __future__ import annotations

from pytest_jupyter.jupyter_server import *  # noqa: F403  fixtures and the hooks that run async tests

"""The widget where the extra ``notebook`` is not installed."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
sys.modules["ipywidgets"] = None
import clawdbot_ext
try:
    clawdbot_ext.ChatWidget
except ImportError as exc:
    print(exc.name, exc)
"""


def test_the_widget_names_the_extra_that_brings_it() -> None:
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith("ipywidgets ") and "NOTEBOOK_EXTRA" in said and "jupyter-clawdbot[notebook]" in said

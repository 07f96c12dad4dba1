"""The chat widget as an anywidget, for VS Code, Colab and marimo. Needs the extra ``anywidget``.

JupyterLab gets the view from our own extension instead: anywidget's would run the code that any notebook has saved.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from .widget import ChatWidget

_VERSION = anywidget.AnyWidget._model_module_version.default_value


class AnyChatWidget(ChatWidget, anywidget.AnyWidget):
    """``ChatWidget`` with the code that draws it in its state."""

    _esm = Path(__file__).with_name("widget_loader.js")
    _model_name = traitlets.Unicode("AnyModel").tag(sync=True)
    _model_module = traitlets.Unicode("anywidget").tag(sync=True)
    _model_module_version = traitlets.Unicode(_VERSION).tag(sync=True)
    _view_name = traitlets.Unicode("AnyView").tag(sync=True)
    _view_module = traitlets.Unicode("anywidget").tag(sync=True)
    _view_module_version = traitlets.Unicode(_VERSION).tag(sync=True)

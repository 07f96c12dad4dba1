"""The face of the chat element, which the extension of JupyterLab describes a second time, in ``embed.ts``."""

from __future__ import annotations

import re

from tests.support.server import ROOT


def states(path: str) -> set[str]:
    """The values of ``ChatStatus.status`` in a TypeScript file."""
    [line] = re.findall(r"^ {2}status: ((?:\"[a-z-]+\"(?: \| )?)+);", (ROOT / path).read_text(), re.MULTILINE)
    return set(re.findall(r'"([a-z-]+)"', line))


def test_the_extension_knows_each_state_that_the_chat_tells() -> None:
    assert states("labextension/src/embed.ts") == states("static/src/elements/chat/announcements.ts")

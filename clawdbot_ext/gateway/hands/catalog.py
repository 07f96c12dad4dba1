"""The catalogue of tools: those for a session, by its mode and by what is connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...agent.tools import Tool
from .asking import asking_tools
from .editing import editing_tools
from .executing import executing_tools
from .files import file_tools
from .modes import Hands
from .reading import reading_tools
from .toolbox import Toolbox


class Catalog:
    """Every tool in notebooks and files, built once."""

    def __init__(self, box: Toolbox, attachment: Tool) -> None:
        found = [*reading_tools(box), attachment, *editing_tools(box), *file_tools(box), *executing_tools(box)]
        self._all = (*found, *asking_tools(box, self.title))
        self._tools = {tool.spec.name: tool for tool in self._all}

    def title(self, name: str, arguments: Mapping[str, Any], locale: str) -> str:
        """The title of a call; the tool's name if there is no such tool."""
        tool = self._tools.get(name)
        return tool.title(arguments, locale) if tool is not None else name

    def offered(self, hands: Hands) -> Sequence[Tool]:
        """The tools of a session: all, or none in the mode ``chat``.

        The list depends on nothing else, not on the pages that are connected nor on the other modes: a model's cache
        and its signed thinking hold only as long as its tools are the same. A call that cannot be made says why.
        """
        return () if hands.mode == "chat" else self._all

"""Tools that Anthropic runs itself: looking things up in the web. Off unless the settings say otherwise.

They cost money by use, and what the model looks for leaves this machine. No question is asked for a single use: it is
done before we hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...agent.providers.base import ToolSpec
from ...config import Config

WEB_SEARCH = ToolSpec("web_search", "", {}, server="web_search_20250305")
WEB_FETCH = ToolSpec("web_fetch", "", {}, server="web_fetch_20250910")


def server_tools(config: Config, provider: str) -> Sequence[ToolSpec]:
    """Those that are switched on, for models of ``provider``."""
    if provider != "anthropic":
        return ()
    search = [WEB_SEARCH] if config["agents.defaults.webSearch"] else []
    return [*search, WEB_FETCH] if config["agents.defaults.webFetch"] else search

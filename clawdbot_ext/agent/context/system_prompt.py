"""The system prompt: who the assistant is and where it runs.

It stands in front of the whole conversation, so a single changed character throws the provider's cache of everything
away. Therefore nothing in it changes from turn to turn: of the time it holds the date and the zone; the time of day
stands in the messages (``context``), where it stays what it was.
"""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import dataclass, field
from datetime import datetime

from ...i18n import language

_LANGUAGES = {"en": "English", "ko": "Korean"}
_IDENTITY = (
    "You are Clawdbot, an assistant for people who work with data in Jupyter. You answer in a chat that shows Markdown "
    "with code highlighting, tables and LaTeX math ($…$ and $$…$$) while you write."
)
_MANNERS = (
    "The person's interface is in {language}; answer in the language they write in. "
    "A <time> note in front of a message is added by the chat and says when it was sent."
)


@dataclass(frozen=True)
class Environment:
    """Facts for the assistant about the machine it helps on."""

    host: str = field(default_factory=socket.gethostname)
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.release()} ({platform.machine()})")
    python: str = field(default_factory=platform.python_version)
    server_root: str = field(default_factory=os.getcwd)
    """The directory that notebooks are served from: where the gateway was started, unless the edge knows better."""


def system_prompt(
    configured: str = "",
    session: str | None = None,
    locale: str = "en",
    *,
    environment: Environment | None = None,
    now: datetime | None = None,
) -> str:
    """The system prompt of a turn.

    Args:
        configured: ``agents.defaults.systemPrompt``.
        session: the session's own, which comes last and so has the last word.
        locale: the language of the client; the assistant follows the person's own language when they use another.
        environment: taken from this process where absent.
        now: an aware time; taken from this machine's clock and zone where absent.
    """
    env = environment or Environment()
    today = now or datetime.now().astimezone()
    facts = [
        f"Date: {today:%A, %Y-%m-%d}, time zone {zone_name(today)}",
        f"Host: {env.host}, {env.system}, Python {env.python}",
        f"Notebook server root: {env.server_root}",
    ]
    parts = [
        _IDENTITY,
        "<environment>\n" + "\n".join(facts) + "\n</environment>",
        _MANNERS.format(language=_LANGUAGES[language(locale)]),
    ]
    parts += [own.strip() for own in (configured, session or "") if own.strip()]
    return "\n\n".join(parts)


def zone_name(now: datetime) -> str:
    """The zone's name and offset, such as ``KST (UTC+09:00)``."""
    offset = now.strftime("%z") or "+0000"
    return f"{now.tzname() or 'local'} (UTC{offset[:3]}:{offset[3:5]})"

"""``/think``, ``/verbose``, ``/reasoning``, ``/usage``: a session's levels, shown and set.

``thinkingLevel`` decides what the model is asked; the others are kept for the clients that show by them.
"""

from __future__ import annotations

from ...agent.providers.base import thinking_level
from ...protocol.clock import now_ms
from ..sessions.lifecycle import LEVELS
from .base import Answer, Call


async def think(call: Call) -> Answer:
    return await _level(call, "thinkingLevel", "level.thinking")


async def verbose(call: Call) -> Answer:
    return await _level(call, "verboseLevel", "level.verbose")


async def reasoning(call: Call) -> Answer:
    return await _level(call, "reasoningLevel", "level.reasoning")


async def usage(call: Call) -> Answer:
    """The level; without an argument also what is left of the spending limits."""
    answer = await _level(call, "responseUsage", "level.usage")
    uses = () if call.argument else await call.services.runs.context.budget.uses()
    left = "\n".join(f"- {use.text(call.caller.locale)}" for use in uses)
    return answer._replace(text=f"{answer.text}\n\n{left}") if left else answer


async def _level(call: Call, setting: str, name: str) -> Answer:
    """Show a level without an argument, set it with one; ``default`` takes the session's own away."""
    services, wanted = call.services, call.argument.lower()
    title, choices = call.say(name), ", ".join(f"`{word}`" for word in LEVELS[setting])
    if not wanted:
        session = await services.store.get_session(call.key)
        level = (
            services.sessions.thinking_level(session)
            if setting == "thinkingLevel"
            else (session.settings.get(setting) if session else None) or LEVELS[setting][0]
        )
        return Answer(call.say("level.current", name=title, level=level, choices=choices))
    if setting == "thinkingLevel":
        wanted = thinking_level(wanted) or wanted
    if wanted != "default" and wanted not in LEVELS[setting]:
        return Answer(call.say("level.unknown", level=call.argument[:40], choices=choices))
    changed = await services.store.patch_session(
        call.key, {setting: None if wanted == "default" else wanted}, now=now_ms()
    )
    services.sessions.announce(changed, "updated")
    return Answer(call.say("level.set", name=title, level=wanted))

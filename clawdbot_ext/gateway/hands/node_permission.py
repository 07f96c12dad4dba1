"""The permission that a node is told of: only where a stored decision for exactly that call exists, and once."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from ...protocol.clock import now_ms
from ...protocol.schema import NodeInvokeParams
from ...store.api import Store
from ..connections.connection import Connection
from .approvals import KIND, requester

log = logging.getLogger(__name__)

Note = Callable[[str, Mapping[str, Any]], None]
"""Writes into the audit log."""

_DECIDED = frozenset({"approved", "approvaldecision"})
"""Names that tell a node of a permission, in lower case and without separators."""
_CALL = ("cwd", "agentId", "sessionKey")
_ALLOWS = ("allow-once", "allow-always")


async def permitted(store: Store, note: Note, caller: Connection, call: NodeInvokeParams) -> Any:
    """The parameters of a ``node.invoke`` as the node gets them.

    They say that a person has allowed the call only where ``runId`` names a stored decision for exactly this call that
    has not been used yet, and then as it was stored.
    """
    given = call.params
    if not isinstance(given, Mapping):
        return given
    claimed = sorted(name for name in given if _plain(name) in _DECIDED)
    if not claimed:
        return given
    kept = {name: value for name, value in given.items() if name not in claimed}
    decision = await _use_decision(store, caller, call, kept)
    if decision is None:
        log.warning("node.invoke %s: taken out, no such decision: %s", call.command[:64], ", ".join(claimed)[:200])
        note(
            "approval",
            {**caller.audit_fields(), "id": str(given.get("runId", "")), "decision": "claimed", "tool": call.command},
        )
        return kept
    return {**kept, "approved": True, "approvalDecision": decision}


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


async def _use_decision(
    store: Store, caller: Connection, call: NodeInvokeParams, given: Mapping[str, Any]
) -> str | None:
    """The stored decision for a call, used up by this; ``None``: there is none."""
    run_id = given.get("runId")
    if call.command != "system.run" or not isinstance(run_id, str) or not run_id:
        return None
    mark, spelt, now = requester(caller), _spelt(given), now_ms()

    def used(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if record is None or record.get("decision") not in _ALLOWS or record.get("usedAtMs"):
            return record
        asked = record["request"]
        same = (
            asked.get("host") == "node"
            and asked.get("command") in spelt
            and record.get("requestedBy") == mark
            and now <= record["expiresAtMs"]
            and all((asked.get(name) or None) == (given.get(name) or None) for name in _CALL)
            and not given.get("env")
        )
        return {**record, "usedAtMs": now} if same else record

    before, after = await store.change_record(KIND, run_id, used, now=now)
    return str(after["decision"]) if after is not None and after != before else None


def _spelt(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The command as it was shown to a person: the words that the node runs, and never another text beside them."""
    words = given.get("command")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return ()
    of_shell = len(words) == 3 and words[0] == "/bin/sh" and words[1] in ("-c", "-lc")
    possible = (shlex.join(words), *words[2:]) if of_shell else (shlex.join(words),)
    raw = given.get("rawCommand")
    return possible if raw is None or raw in possible else ()

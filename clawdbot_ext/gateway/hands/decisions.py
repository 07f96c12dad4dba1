"""A person's possible answers to a question, and their storage."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from ...protocol.errors import InvalidRequest
from ...protocol.schema import ApprovalResolveParams

SCOPES = ("once", "cell", "notebook", "always")
"""From the narrowest yes to the widest."""


def check_decision(request: Mapping[str, Any], params: ApprovalResolveParams) -> dict[str, Any]:
    """The fields that are stored for a decision about ``request``. Raises ``InvalidRequest`` for one that is none."""
    decision: dict[str, Any] = {"decision": params.decision}
    if params.reason and params.reason.strip():
        decision["reason"] = params.reason.strip()
    if params.decision == "deny":
        return decision
    if request.get("kind") in ("question", "input"):
        return decision | {"answers": _answers(request, params)}
    if "choices" in request:
        decision |= _scope(request, params)
    if params.accepted is not None or params.edited:
        decision |= _changed(request, params)
    return decision


def _answers(request: Mapping[str, Any], params: ApprovalResolveParams) -> dict[str, str]:
    answers = dict(params.answers or {})
    asked = ["value"] if request["kind"] == "input" else [str(each["id"]) for each in request["questions"]]
    if not answers or not answers.keys() <= set(asked):
        raise _bad(f"answers are for {', '.join(asked)}", "BAD_ANSWERS")
    for question in request.get("questions") or ():
        answer = answers.get(str(question["id"]))
        if answer is not None and not question["free"] and answer not in question["choices"]:
            raise _bad(f"one of {', '.join(question['choices'])}", "BAD_ANSWERS")
    return answers


def _scope(request: Mapping[str, Any], params: ApprovalResolveParams) -> dict[str, Any]:
    choices = [scope for scope in SCOPES if scope in request["choices"]]
    scope = params.scope or (choices[-1] if params.decision == "allow-always" else "once")
    if scope not in choices:
        raise _bad(f"this question can be allowed for {', '.join(choices)}", "BAD_SCOPE")
    if scope != "always":
        if params.pattern is not None:
            raise _bad("a pattern goes with the scope always", "BAD_PATTERN")
        return {"scope": scope}
    path = str(request.get("path", ""))
    pattern = _literal(path) if params.pattern in (None, "", path) else str(params.pattern)
    if not fnmatchcase(path, pattern):
        raise _bad("the pattern does not match the path of this question", "BAD_PATTERN")
    return {"scope": scope, "pattern": pattern}


def _literal(path: str) -> str:
    """The pattern of this one path: ``[``, ``*`` and ``?`` in a file's name stand for themselves."""
    return "".join(f"[{character}]" if character in "[*?" else character for character in path)


def _changed(request: Mapping[str, Any], params: ApprovalResolveParams) -> dict[str, Any]:
    """The part that is accepted, and what takes the place of proposed text."""
    preview = request.get("preview") or {}
    cells = preview.get("cells") if preview.get("type") == "edit" else None
    one = preview.get("type") in ("file", "code")
    if cells is None and not one:
        raise _bad("this question can only be answered as a whole", "NOT_EDITABLE")
    count = 1 if cells is None else len(cells)
    accepted = range(count) if params.accepted is None else params.accepted
    edited = params.edited or {}
    if any(index >= count for index in accepted) or not accepted:
        raise _bad("accepted names at least one of the question's cells", "BAD_ACCEPTED")
    indexes = {str(index) for index in accepted}
    if not edited.keys() <= indexes:
        raise _bad("edited names accepted cells", "BAD_EDITED")
    for index in edited:
        if cells is not None and cells[int(index)]["op"] not in ("insert", "replace"):
            raise _bad("only inserted and replaced cells have a text to edit", "BAD_EDITED")
    changed: dict[str, Any] = {"edited": dict(edited)} if edited else {}
    if len(set(accepted)) < count:
        changed["accepted"] = sorted(set(accepted))
    return changed


def _bad(message: str, reason: str) -> InvalidRequest:
    return InvalidRequest(message, reason=reason)

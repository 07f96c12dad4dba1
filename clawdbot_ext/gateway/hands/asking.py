"""``plan`` and ``ask_person``: the assistant says what it is about to do, and asks when it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...agent.tools import Tool, ToolContext, ToolFailed, ToolOutput, no_lock
from .proposals import Proposal, Verdict
from .toolbox import Toolbox, proposing, schema, text

STATES = ("todo", "doing", "done", "dropped")
_QUESTION = {
    "type": "object",
    "properties": {
        "id": text("A short name, unique in this call.", minLength=1, maxLength=64),
        "text": text("The question, in the person's language.", minLength=1, maxLength=2000),
        "choices": {"type": "array", "maxItems": 12, "items": text("A possible answer.", maxLength=500)},
        "free": {
            "type": "boolean",
            "description": "Whether another answer may be typed; true if there are no choices.",
        },
    },
    "required": ["id", "text"],
    "additionalProperties": False,
}
_OPERATION = {
    "type": "object",
    "properties": {"tool": text("Name of the tool."), "arguments": {"type": "object"}},
    "required": ["tool", "arguments"],
    "additionalProperties": False,
}


def asking_tools(box: Toolbox, title_of: Callable[[str, Mapping[str, Any], str], str]) -> Sequence[Tool]:
    """The tools that talk with the person; ``title_of`` gives the title of another tool's call."""

    async def plan(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        steps = [{"text": step["text"], "state": step["state"]} for step in arguments["steps"]]
        operations = list(arguments.get("operations") or ())

        async def perform(verdict: Verdict) -> ToolOutput:
            said = "Shown to the person."
            if operations:
                await box.plans.allow(context.session_key, operations)
                said = (
                    f"The person allowed these {len(operations)} operations, each once and exactly as listed. "
                    "In plan mode nothing else is done."
                )
            return ToolOutput(said, details={"steps": steps})

        listed = [{**each, "title": title_of(each["tool"], each["arguments"], context.locale)} for each in operations]
        return Proposal(
            path="",
            preview={"type": "plan", "steps": steps, "operations": listed},
            bound={},
            perform=perform,
            free=not operations,
        )

    async def ask_person(arguments: Mapping[str, Any], context: ToolContext) -> Proposal:
        questions = [
            {
                "id": each["id"],
                "text": each["text"],
                "choices": list(each.get("choices") or ()),
                "free": bool(each.get("free", not each.get("choices"))) or not each.get("choices"),
            }
            for each in arguments["questions"]
        ]
        if len({each["id"] for each in questions}) < len(questions):
            raise ToolFailed("Each question needs an id of its own.")

        async def perform(verdict: Verdict) -> ToolOutput:
            lines = []
            for each in questions:
                answer = verdict.answers.get(str(each["id"]))
                lines.append(f"{each['text']}\n→ {answer if answer is not None else '(not answered)'}")
            return ToolOutput("\n".join(lines), details={"questions": questions, "answers": dict(verdict.answers)})

        return Proposal(
            path="", preview={}, bound={}, perform=perform, request={"kind": "question", "questions": questions}
        )

    return (
        proposing(
            "plan",
            "question",
            "Show the person the steps of longer work, and keep the list up to date while you work (call it again with "
            "the new states). In plan mode also give operations: exactly the calls that you will make, with their "
            "whole arguments; the person allows them all at once, and only these are then done, each once.",
            schema(
                {
                    "steps": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 30,
                        "items": {
                            "type": "object",
                            "properties": {
                                "text": text("The step, in the person's language.", minLength=1, maxLength=300),
                                "state": text("State of the step.", enum=list(STATES)),
                            },
                            "required": ["text", "state"],
                            "additionalProperties": False,
                        },
                    },
                    "operations": {"type": "array", "maxItems": 50, "items": _OPERATION},
                },
                "steps",
            ),
            plan,
            no_lock,
        ),
        proposing(
            "ask_person",
            "question",
            "Ask the person up to five questions when you cannot go on without an answer; they are answered in any "
            "window, however long that takes. Not for permission: that is asked by itself.",
            schema({"questions": {"type": "array", "minItems": 1, "maxItems": 5, "items": _QUESTION}}, "questions"),
            ask_person,
            no_lock,
        ),
    )

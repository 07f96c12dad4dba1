"""``clawdbot approvals``: questions that wait for a person, and the permissions that were given for good."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..escapes import one_line
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError, NotFound
from ..protocol.keys import short_key
from .connection import Target, gateway_options, json_option, with_client
from .printing import ago, note, out, print_json, say, shorten, table, texts

if TYPE_CHECKING:
    from ..client.approvals import Approval, Decision
    from ..client.gateway_client import GatewayClient

t = texts("hands")
SHORT = 8
"""Characters of an id that are shown; any beginning names it."""


@click.group("approvals", help=say("help.approvals"))
def group() -> None:
    """See ``help``."""


@group.command("list", help=say("help.approvals.list"))
@click.option("--session", default="", metavar="KEY", help=say("help.approvals.session"))
@json_option
@gateway_options
def list_(target: Target, session: str, as_json: bool) -> None:
    """Open questions, then grants."""

    async def work(client: GatewayClient) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
        questions = (await client.request("exec.approval.list"))["approvals"]
        try:
            grants = (await client.request("hands.grants.list"))["grants"]
        except GatewayError as exc:  # Clawdbot's own gateway has no grants
            if exc.reason != "UNKNOWN_METHOD":
                raise
            grants = []
        return questions, grants

    questions, grants = with_client(target, work)
    if session:
        from ..client.approvals import same_session

        questions = [q for q in questions if same_session(str(q["request"].get("sessionKey") or ""), session)]
        grants = [g for g in grants if not g.get("sessionKey") or same_session(str(g["sessionKey"]), session)]
    if as_json:
        print_json({"approvals": questions, "grants": grants})
        return
    _print_questions(questions)
    _print_grants(grants)


def _print_questions(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        note(t("approvals.noQuestions"))
        return
    from ..client.approvals import Approval

    now, questions = now_ms(), [Approval.from_wire(row) for row in rows]
    table(
        [t(f"approvals.{name}") for name in ("id", "session", "asks", "since")],
        [
            [
                each.id[:SHORT],
                short_key(each.session_key),
                shorten(each.title, 60),
                ago(each.created_at_ms, now),
            ]
            for each in questions
        ],
    )


def _print_grants(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        note(t("approvals.noGrants"))
        return
    now = now_ms()
    out()
    table(
        [t(f"approvals.{name}") for name in ("grant", "tool", "scope", "for", "by", "used")],
        [
            [
                str(row["id"])[:SHORT],
                str(row["tool"]),
                str(row["scope"]),
                " ".join(str(row[name]) for name in ("path", "cell", "sessionKey") if row.get(name)),
                str(row.get("by") or ""),
                ago(row["usedAtMs"], now) if row.get("usedAtMs") else t("approvals.never"),
            ]
            for row in rows
        ],
    )


@group.command("answer", help=say("help.approvals.answer"))
@click.argument("approval_id", metavar="[ID]", required=False)
@click.option("--yes", "-y", "scope", flag_value="once", help=say("help.approvals.yes"))
@click.option(
    "--scope", "scope", type=click.Choice(["once", "cell", "notebook", "always"]), help=say("help.approvals.scope")
)
@click.option("--pattern", default="", metavar="PATH", help=say("help.approvals.pattern"))
@click.option("--no", "-n", "refuse", is_flag=True, help=say("help.approvals.no"))
@click.option("--reason", default="", metavar="TEXT", help=say("help.approvals.reason"))
@click.option("--cells", default="", metavar="1,3", help=say("help.approvals.cells"))
@click.option("--answer", "answers", multiple=True, metavar="[ID=]TEXT", help=say("help.approvals.text"))
@json_option
@gateway_options
def answer(
    target: Target,
    approval_id: str | None,
    scope: str | None,
    pattern: str,
    refuse: bool,
    reason: str,
    cells: str,
    answers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Decide a question, by options or at the terminal."""
    if refuse and (scope or cells or answers):
        raise click.UsageError(t("approvals.yesAndNo"))

    async def work(client: GatewayClient) -> tuple[Approval, Decision]:
        approval = _chosen(await client.approvals.list(), approval_id or "")
        decision = _by_options(approval, scope, pattern, refuse, reason or "", cells, answers)
        if decision is None:
            decision = await _by_person(approval)
        await client.approvals.resolve(approval.id, decision)
        return approval, decision

    approval, decision = with_client(target, work)
    if as_json:
        print_json({"ok": True, **decision.to_wire(approval.id)})
        return
    from .approval_prompt import told

    out(told(decision))


def _chosen(questions: Sequence[Approval], begun: str) -> Approval:
    """The one question whose id begins so. Raises ``NotFound``, ``click.UsageError`` where several do."""
    found = [each for each in questions if each.id.startswith(begun)]
    if not found:
        raise NotFound(begun or t("approvals.noQuestions"))
    if len(found) > 1:
        raise click.UsageError(t("approvals.several", ids=", ".join(each.id[:SHORT] for each in found)))
    return found[0]


def _by_options(
    approval: Approval, scope: str | None, pattern: str, refuse: bool, reason: str, cells: str, answers: Sequence[str]
) -> Decision | None:
    """The decision that the options are; ``None`` where they are none."""
    from ..client.approvals import Decision
    from ..client.typed_answers import understand

    if refuse:
        return Decision.deny(reason)
    if answers:
        ids = [question.id for question in approval.questions] or ["value"]
        pairs = [
            text.partition("=") if "=" in text and text.partition("=")[0] in ids else (ids[0], "=", text)
            for text in answers
        ]
        return Decision.answer({id_: text for id_, _, text in pairs})
    if cells:
        picked = understand(cells, approval)
        if not isinstance(picked, Decision) or picked.accepted is None:
            raise click.UsageError(t("approvals.noSuchCells", cells=cells))
        return picked
    if scope is None:
        return None
    if scope not in approval.choices:
        raise click.UsageError(t("approvals.noSuchScope", scopes=", ".join(approval.choices)))
    return Decision.allow(scope, pattern=pattern)


async def _by_person(approval: Approval) -> Decision:
    from .approval_prompt import Terminal, decide
    from .chat.markdown import console
    from .reading import is_person_there, read_line, terminal_on_stderr

    if not is_person_there():
        raise click.UsageError(t("approvals.needsOption"))
    errors = console(sys.stderr)

    def show(lines: Sequence[Any]) -> None:
        for line in lines:
            errors.print(line)

    async def asked() -> Decision | None:
        try:
            return await decide(approval, Terminal(show, read_line))
        except (KeyboardInterrupt, EOFError):
            return None

    with terminal_on_stderr():
        decision = await asyncio.ensure_future(asked())
    if decision is None:
        raise click.Abort
    return decision


@group.command("revoke", help=say("help.approvals.revoke"))
@click.argument("grant_id", metavar="GRANT")
@json_option
@gateway_options
def revoke(target: Target, grant_id: str, as_json: bool) -> None:
    """Take a permission back."""

    async def work(client: GatewayClient) -> str:
        found = [grant for grant in await client.approvals.grants() if grant.id.startswith(grant_id)]
        if not found:
            raise NotFound(grant_id)
        if len(found) > 1:
            raise click.UsageError(t("approvals.several", ids=", ".join(one_line(each.id[:SHORT]) for each in found)))
        await client.approvals.revoke(found[0].id)
        return found[0].id

    revoked = with_client(target, work)
    if as_json:
        print_json({"ok": True, "id": revoked})
    else:
        out(t("approvals.revoked", id=revoked[:SHORT]))

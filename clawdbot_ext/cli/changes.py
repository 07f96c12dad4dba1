"""``clawdbot changes``: what the assistant changed in notebooks and files, and taking it back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..protocol.clock import now_ms
from ..protocol.errors import NotFound
from . import exit_codes
from .connection import Target, call, gateway_options, json_option, with_client
from .printing import ago, note, out, print_json, say, table, texts

if TYPE_CHECKING:
    from ..client.changes import Change, UndoResult
    from ..client.gateway_client import GatewayClient

t = texts("hands")
SHORT = 8
MOST = 200
id_argument = click.argument("change_id", metavar="ID")


@click.group("changes", help=say("help.changes"))
def group() -> None:
    """See ``help``."""


@group.command("list", help=say("help.changes.list"))
@click.option("--session", metavar="KEY", help=say("help.changes.session"))
@click.option("--path", metavar="PATH", help=say("help.changes.path"))
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help=say("help.sessions.limit"))
@json_option
@gateway_options
def list_(target: Target, session: str | None, path: str | None, limit: int, as_json: bool) -> None:
    """The changes, newest first."""
    rows = call(target, "hands.changes.list", sessionKey=session, path=path, limit=limit)["changes"]
    if as_json:
        print_json(rows)
        return
    if not rows:
        note(t("changes.none"))
        return
    from ..client.changes import Change
    from .approval_view import change_summary

    now, changes = now_ms(), [Change.from_wire(row) for row in rows]
    table(
        [t(f"changes.{name}") for name in ("id", "what", "state", "by", "since")],
        [
            [
                each.id[:SHORT],
                change_summary(each),
                t(f"changes.state.{each.state}"),
                each.by,
                ago(each.created_at_ms, now),
            ]
            for each in changes
        ],
    )


@group.command("show", help=say("help.changes.show"))
@id_argument
@json_option
@gateway_options
def show(target: Target, change_id: str, as_json: bool) -> None:
    """The differences that a change made."""

    async def work(client: GatewayClient) -> Any:
        rows = (await client.request("hands.changes.list", {"limit": MOST}))["changes"]
        found = next((row for row in rows if str(row["id"]).startswith(change_id)), None)
        if found is None:
            raise NotFound(change_id)
        return found

    row = with_client(target, work)
    if as_json:
        print_json(row)
        return
    from ..client.changes import Change
    from .approval_view import change_lines, change_summary
    from .chat.markdown import console

    change, screen = Change.from_wire(row), console(sys.stdout)
    out(click.style(change_summary(change), bold=True))
    for line in change_lines(change):
        screen.print(line)


@group.command("undo", help=say("help.changes.undo"))
@id_argument
@click.option("--force", is_flag=True, help=say("help.changes.force"))
@json_option
@gateway_options
def undo(target: Target, change_id: str, force: bool, as_json: bool) -> None:
    """Put back what a change replaced; exit code 1 where a cell was left as it is."""

    async def work(client: GatewayClient) -> tuple[Change, UndoResult]:
        change = await _chosen(client, change_id)
        return change, await client.changes.undo(change.id, force=force)

    change, result = with_client(target, work)
    from .approval_view import change_summary, problem_lines
    from .chat.markdown import console

    if as_json:
        problems = [{"cell": p.cell, "now": p.now, "before": p.before, "after": p.after} for p in result.problems]
        print_json({"id": change.id, "state": result.state, "problems": problems})
    elif result.state == "undone":
        out(t("changes.undone", what=change_summary(change)))
    if result.problems:
        screen = console(sys.stderr)
        for line in () if as_json else problem_lines(result, f"clawdbot changes undo {change.id[:SHORT]} --force"):
            screen.print(line)
        raise click.exceptions.Exit(exit_codes.FAILED)


@group.command("keep", help=say("help.changes.keep"))
@id_argument
@json_option
@gateway_options
def keep(target: Target, change_id: str, as_json: bool) -> None:
    """Accept a change for good."""

    async def work(client: GatewayClient) -> Change:
        change = await _chosen(client, change_id)
        await client.changes.keep(change.id)
        return change

    change = with_client(target, work)
    if as_json:
        print_json({"ok": True, "id": change.id})
        return
    from .approval_view import change_summary

    out(t("changes.kept", what=change_summary(change)))


async def _chosen(client: GatewayClient, begun: str) -> Change:
    """The newest change whose id begins so. Raises ``NotFound``."""
    found = next((each for each in await client.changes.list(limit=MOST) if each.id.startswith(begun)), None)
    if found is None:
        raise NotFound(begun)
    return found

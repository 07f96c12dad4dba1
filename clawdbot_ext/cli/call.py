"""``clawdbot call`` and ``clawdbot events``: any method by its name, and what the gateway tells, as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ..escapes import one_line
from . import exit_codes
from .connection import Target, gateway_options, with_client
from .printing import note, print_json, say

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient


@click.command("call", help=say("help.call"))
@click.argument("method")
@click.option("--params", metavar="JSON", default="{}", help=say("help.call.params"))
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(0.1, 86_400),
    default=30.0,
    show_default=True,
    help=say("help.call.timeout"),
)
@click.option("--expect-final", "final", is_flag=True, help=say("help.call.final"))
@click.option("--json", "as_json", is_flag=True, hidden=True)
@gateway_options
def command(target: Target, method: str, params: str, seconds: float, final: bool, as_json: bool) -> None:
    """One request; its payload on standard output. ``--params -`` reads them from standard input."""
    text = sys.stdin.read() if params == "-" else params
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError) as exc:
        raise click.BadParameter(say("call.notJson", problem=exc), param_hint="--params") from None
    if not isinstance(given, dict):
        raise click.BadParameter(say("call.notJson", problem="{}"), param_hint="--params")
    print_json(
        with_client(
            target, lambda client: client.request(method, given, timeout_s=seconds, final=final or method == "agent")
        )
    )


@click.command("events", help=say("help.events"))
@click.option("--only", "names", metavar="NAME", multiple=True, help=say("help.events.only"))
@click.option("--session", "keys", metavar="KEY", multiple=True, help=say("help.events.session"))
@click.option("--count", type=click.IntRange(1), help=say("help.events.count"))
@gateway_options
def events(target: Target, names: tuple[str, ...], keys: tuple[str, ...], count: int | None) -> int:
    """Every event as a line of JSON, until Ctrl+C, ``--count`` events, or the end of the connection."""
    from ..client.events import LOST

    async def work(client: GatewayClient) -> int:
        known = {(await client.request("sessions.resolve", {"key": key}))["key"] for key in keys}
        seen = 0
        note(say("events.listening", url=client.endpoint.ws_url))
        async for event in client.events():
            if event.name == LOST:
                reason = event.payload.get("reason") or event.payload.get("code") or "-"
                note(say("error.lost", reason=one_line(str(reason))))
                return exit_codes.UNREACHABLE
            if (names and event.name not in names) or (keys and _session(event.payload) not in known):
                continue
            click.echo(json.dumps({"event": event.name, "payload": event.payload}))
            seen += 1
            if count is not None and seen >= count:
                return exit_codes.OK
        return exit_codes.OK

    return with_client(target, work)


def _session(payload: Any) -> str:
    return str(payload.get("sessionKey") or payload.get("key") or "") if isinstance(payload, dict) else ""

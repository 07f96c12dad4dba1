"""``clawdbot gateway``: run it here, or ask about, stop and restart the one that runs.

A running gateway is only ever asked, never signalled: it may live inside a user's Jupyter server.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..client.endpoint import NoGateway
from ..config import Config, load
from ..protocol.clock import now_ms
from ..runtime import server_info
from . import exit_codes
from .connection import Target, gateway_options, json_option, over_ssh, with_client
from .printing import duration, facts, indented, note, out, print_json, say
from .published import tailscale_problem
from .service import units
from .service.logs import logs

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

STOP_TIMEOUT_S = 20.0
"""A gateway takes up to 10 s to let replies end, and its kernels some more."""
RESTART_TIMEOUT_S = 40.0
RESTART_POLL_S = 0.1
GONE_S = 3.0
"""Time without a process after which a gateway is not expected back."""

_OPTIONS = (
    click.option("--port", type=click.IntRange(0, 65535), help=say("help.run.port")),
    click.option("--bind", type=click.Choice(["loopback", "lan", "tailnet", "custom"]), help=say("help.run.bind")),
    click.option("--ip", metavar="ADDR", help=say("help.run.ip")),
    click.option("--token", help=say("help.run.token")),
    click.option("--password", help=say("help.run.password")),
    click.option("--tailscale", type=click.Choice(["off", "serve", "funnel"]), help=say("help.run.tailscale")),
    click.option("--no-browser", is_flag=True, help=say("help.run.noBrowser")),
    click.option("--force", is_flag=True, help=say("help.run.force")),
    click.option("--allow-root", is_flag=True, help=say("help.run.allowRoot")),
    click.option("--verbose", is_flag=True, help=say("help.run.verbose")),
)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``command`` the options of ``app.main``, as its argument ``argv``."""

    @functools.wraps(command)
    def with_argv(*args: Any, **options: Any) -> Any:
        own = {name: options.pop(name) for name in list(options) if name in _NAMES}
        return command(*args, argv=_argv(own), **options)

    for option in reversed(_OPTIONS):
        with_argv = option(with_argv)
    return with_argv


_NAMES = ("port", "bind", "ip", "token", "password", "tailscale", "no_browser", "force", "allow_root", "verbose")


def _argv(options: dict[str, Any]) -> list[str]:
    argv = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            argv.append(flag)
        elif value is not None and value is not False:  # 0 is a port
            argv.append(f"{flag}={value}")
    return argv


@click.group("gateway", invoke_without_command=True, help=say("help.gateway"), short_help=say("short.gateway"))
@run_options
@click.pass_context
def group(ctx: click.Context, argv: list[str]) -> None:
    """Without a subcommand: run."""
    if ctx.invoked_subcommand is None:
        _start(argv)
    elif argv:
        raise click.UsageError(say("gateway.optionsAfter", command=ctx.invoked_subcommand), ctx)


@group.command("run", help=say("help.gateway.run"))
@run_options
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def run(argv: list[str], jupyter_options: tuple[str, ...]) -> None:
    """Run the gateway here until it is stopped."""
    _start([*argv, *jupyter_options])


def _start(argv: list[str]) -> None:
    from ..server.launch import main

    raise click.exceptions.Exit(main(argv))


@group.command("status", help=say("help.gateway.status"))
@json_option
@gateway_options
def status(target: Target, as_json: bool) -> None:
    """Print where the gateway runs and whether it answers."""
    config = load()
    here = target.url is None and over_ssh() is None and not config["gateway.remote.url"]
    own = server_info.find_running_gateway(config) if here else None
    found: dict[str, Any] = {"running": False}
    if own is not None:
        found |= {
            "pid": own.pid,
            "url": own.url,
            "version": own.version,
            "host": own.host,
            "startedAt": own.started_at,
            **({"serverUrl": own.server_url} if own.server_url else {}),
            **({"tlsFingerprint": own.tls_fingerprint} if own.tls_fingerprint else {}),
            **({"tailscaleUrl": own.tailscale_url} if own.tailscale_url else {}),
            **({"tailscaleProblem": problem} if (problem := tailscale_problem(own)) else {}),
        }
    if here and (state := units.Service.of(config).state()) != "absent":
        found["service"] = state
    code = exit_codes.OK
    try:
        found |= {"url": target.locate().page_url, "health": with_client(target, _health), "running": True}
    except exit_codes.EXPECTED as exc:
        code, found["problem"] = exit_codes.explain(exc)
    if as_json:
        print_json(found)
    else:
        _print_status(config, found)
    raise click.exceptions.Exit(code)


async def _health(client: GatewayClient) -> Any:
    return await client.request("health", timeout_s=5)


def _print_status(config: Config, found: dict[str, Any]) -> None:
    if "url" in found:
        where = found.get("host", "")
        rows = [(say("status.url"), found["url"])]
        rows += [(say(f"gateway.{fact}"), found[fact]) for fact in ("tailscaleUrl", "tlsFingerprint") if fact in found]
        if "pid" in found:
            place = say("gateway.inJupyter", url=found.get("serverUrl", "?")) if where == "jupyter" else ""
            rows += [
                (say("gateway.process"), f"{found['pid']} {place}".strip()),
                (say("status.version"), found["version"]),
                (say("status.uptime"), duration(now_ms() - found["startedAt"])),
            ]
        if runs := found.get("health", {}).get("runs"):
            rows.append((say("status.runs"), say("status.runs.value", **runs)))
        facts(rows)
    if "service" in found:
        facts([(say("gateway.service"), say(f"gateway.service.{found['service']}"))])
    if "tailscaleProblem" in found:
        note(found["tailscaleProblem"])
    if "problem" in found:
        note(indented(found["problem"]))
        if "url" not in found:
            _say_who_holds_the_port(config)


def _say_who_holds_the_port(config: Config) -> None:
    from ..runtime.port_probe import identify

    holder = identify("127.0.0.1", config["gateway.port"], 0.5)
    if holder.pid is not None or holder.url is not None:
        note(
            say(
                f"port.{holder.kind}", port=config["gateway.port"], pid=holder.pid or "?", program=holder.program or "?"
            )
        )


@group.command("stop", help=say("help.gateway.stop"))
@gateway_options
def stop(target: Target) -> None:
    """Ask the gateway to stop and wait until it has."""
    try:
        page = target.locate().page_url
    except NoGateway:
        out(say("gateway.notRunning"))
        return
    config = load()
    mine = server_info.find_running_gateway(config)
    with_client(target, functools.partial(_stop, restart=False))
    if mine is not None and mine.url == page:
        _wait_for_the_lock(config, mine)
    out(say("gateway.stopped", url=page))


def _wait_for_the_lock(config: Config, before: server_info.GatewayInfo) -> None:
    """Wait until the process has let go of the state directory, or another gateway has it."""
    import time

    ends = time.monotonic() + STOP_TIMEOUT_S
    while server_info.lock_held(config) and server_info.read_info(config) in (before, None):
        if time.monotonic() > ends:
            raise click.ClickException(say("gateway.notStopped", pid=before.pid))
        time.sleep(0.05)


async def _stop(client: GatewayClient, *, restart: bool) -> None:
    """Ask, and wait for the goodbye."""
    from ..client.errors import ConnectionLost, TimedOut
    from ..client.events import LOST

    lost = asyncio.Event()
    client.subscribe(lambda event: lost.set() if event.name == LOST else None)
    try:
        await client.request("gateway.stop", {"restart": restart, "reason": "clawdbot gateway"})
        await asyncio.wait_for(lost.wait(), STOP_TIMEOUT_S)
    except ConnectionLost:
        return  # it was faster than its answer
    except asyncio.TimeoutError:
        raise TimedOut("gateway.stop", STOP_TIMEOUT_S) from None


@group.command("restart", help=say("help.gateway.restart"))
@gateway_options
def restart(target: Target) -> None:
    """Ask the gateway to start anew and wait until it answers again."""

    config = load()
    mine = None if over_ssh() or target.url else server_info.find_running_gateway(config)

    async def work(client: GatewayClient) -> str:
        from ..client.errors import TimedOut

        await _stop(client, restart=True)
        try:
            return await asyncio.wait_for(_answers_again(target, config if mine else None), RESTART_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise TimedOut("connect", RESTART_TIMEOUT_S) from None

    try:
        url = with_client(target, work)
    except NoGateway:
        if not units.start_installed():
            raise
    else:
        out(say("gateway.restarted", url=url))


async def _answers_again(target: Target, config: Config | None) -> str:
    """The page of the gateway once it answers, looked up each time: a changed port takes effect with the restart.

    ``config`` is given where it is this state directory's: without a process that holds that, nothing will answer.
    """
    from ..client.errors import ClientError
    from ..client.gateway_client import GatewayClient

    gone_since: float | None = None
    loop = asyncio.get_running_loop()
    while True:
        held = config is None or server_info.lock_held(config)
        gone_since = None if held else gone_since or loop.time()
        if gone_since is not None and loop.time() - gone_since > GONE_S:
            raise click.ClickException(say("gateway.notBack"))
        try:
            endpoint = target.locate()
            async with GatewayClient(endpoint):
                return endpoint.page_url
        except (NoGateway, ClientError):
            await asyncio.sleep(RESTART_POLL_S)


for _command in (units.install, units.uninstall, units.start, logs):
    group.add_command(_command)

"""``clawdbot doctor``: what is wrong on this machine, and what to do about it.

A check is a function that yields findings: a ``problem`` makes the exit code 1, a ``hint`` is worth knowing, what is
``ok`` was looked at.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from .. import config as settings
from ..config import Config, ConfigError
from ..config.file import issues, read
from ..gateway.access.start_rules import broken_rules
from ..gateway.error_texts import told
from ..i18n import nice_size
from ..protocol.clock import now_ms
from ..protocol.errors import GatewayError
from ..runtime import filesystem, server_info
from ..runtime.paths import conversations, database_path, on_network
from ..runtime.port_probe import identify
from ..runtime.program import is_ours
from ..store import backup_files
from . import exit_codes, security_checks
from .connection import Target, gateway_options, json_option, with_client
from .printing import ago, for_people, language, note, out, print_json, say, texts
from .published import tailscale_problem
from .status import storage_problem

Level = Literal["ok", "hint", "problem"]
COLORS = {"ok": "green", "hint": "yellow", "problem": "red"}
MARKS = {"ok": "✓", "hint": "!", "problem": "✗"}


class Finding(NamedTuple):
    """One line of the report; ``fix`` is what to do, if anything."""

    check: str
    level: Level
    text: str
    fix: str | None = None


@click.command("doctor", help=say("help.doctor"))
@click.option("--repair", "repairs", is_flag=True, help=say("help.doctor.repair"))
@json_option
@gateway_options
def command(target: Target, as_json: bool, repairs: bool) -> None:
    """Run all checks; or repair the database, while no gateway runs."""
    if target.url and not as_json:
        note(say("usage.looksHere"))
    found = list(_repair() if repairs else examine(target))
    if as_json:
        fine = all(each.level != "problem" for each in found)
        print_json({"ok": fine, "findings": [each._asdict() for each in found]})
    else:
        for each in found:
            text = for_people(f"{MARKS[each.level]} {each.text}", sys.stdout, "  ")
            out(click.style(text[0], fg=COLORS[each.level]) + text[1:])
            if each.fix:
                out(click.style(for_people(f"  → {each.fix}", sys.stdout, "    "), dim=True))
    if any(each.level == "problem" for each in found):
        raise click.exceptions.Exit(exit_codes.FAILED)


def _repair() -> Iterator[Finding]:
    from .storage import repair  # with SQLite, which the checks do without

    for fine, text in repair(settings.load()):
        yield Finding("repair", "ok" if fine else "problem", text)


def examine(target: Target) -> Iterator[Finding]:
    """All findings. What needs a configuration is left out while there is no right one."""
    yield from check_path()
    try:
        config = settings.load()
    except ConfigError as exc:
        yield from _config_findings(exc)
        return
    broken = broken_rules(config)
    runs = server_info.lock_held(config)  # with settings of its command line or environment, which are not ours
    for problem in broken:
        if runs:
            text = say("doctor.config.elsewhere", problem=exit_codes.describe(problem))
            yield Finding("config", "hint", text, say("doctor.config.elsewhereFix"))
        else:
            yield Finding("config", "problem", exit_codes.describe(problem), say("doctor.config.fix"))
    if not broken:
        yield Finding("config", "ok", say("doctor.config.ok", path=config.path))
    for remark in config.notes:
        yield Finding("config", "hint", say("config.note", problem=exit_codes.describe(remark)))
    checks: tuple[Callable[[Config], Iterator[Finding]], ...] = (check_exposure, check_storage, check_port)
    for check in checks:
        yield from check(config)
    gateway, setup = check_gateway(config, target)
    yield from check_key(config, setup)
    if not target.url and not config["gateway.remote.url"]:
        yield from check_environment()
        yield from check_media()
        yield from check_tailscale(config)
    yield gateway


def _config_findings(first: ConfigError) -> Iterator[Finding]:
    content = read(settings.config_path())
    found = [content.problem] if content.problem else issues(content.tree or {})
    for issue in found or [first]:
        yield Finding("config", "problem", exit_codes.describe(issue), say("doctor.config.fix"))


# -- the checks -------------------------------------------------------------------------------------------------------
def check_path() -> Iterator[Finding]:
    """Find the ``clawdbot`` that starts when both this package and Clawdbot itself are installed."""
    found = [path for folder in os.get_exec_path() if os.access(path := Path(folder, "clawdbot"), os.X_OK)]
    distinct = list({path.resolve(): path for path in reversed(found)}.values())[::-1]
    for number, path in enumerate(distinct):
        who = say("doctor.path.ours") if is_ours(path) else say("doctor.path.other")
        if number == 0:
            yield Finding("path", "ok", say("doctor.path.first", path=path, who=who))
        else:
            yield Finding(
                "path", "hint", say("doctor.path.hidden", path=path, who=who, first=distinct[0]), say("doctor.path.fix")
            )
    if not distinct:
        yield _called_by_path()


def _called_by_path() -> Finding:
    """PATH has no ``clawdbot``: this one was called by its path, as one in a virtual environment may be."""
    started = Path(sys.argv[0])
    program = started if started.name == "clawdbot" else Path(sys.executable).with_name("clawdbot")
    if os.access(program, os.X_OK):
        return Finding("path", "ok", say("doctor.path.byPath", path=program.absolute(), who=say("doctor.path.ours")))
    return Finding("path", "hint", say("doctor.path.none"), say("doctor.path.noneFix"))


def check_storage(config: Config) -> Iterator[Finding]:
    """A state directory that other machines may write to."""
    if on_network(config):
        kind = filesystem.kind_of(config.home) or config["storage.fileSystem"]
        yield Finding(
            "storage", "hint", say("doctor.storage.network", path=config.home, kind=kind), say("doctor.storage.fix")
        )
    else:
        yield Finding("storage", "ok", say("doctor.storage.ok", path=config.home))
    yield from _check_files(config)
    if config["storage.url"]:
        yield from _check_server(config)
        return
    database = database_path(config)
    if database.exists() and not server_info.lock_held(config):
        from ..store import salvage  # with SQLite, which the other checks do without

        try:
            problem = salvage.check(database)
        except (GatewayError, OSError) as exc:
            problem = str(exc)
        if problem:
            yield Finding(
                "database",
                "problem",
                say("storage.damaged", path=database, problem=problem),
                say("doctor.database.fix"),
            )
        else:
            yield Finding("database", "ok", say("doctor.database.ok", path=database))
    if database.exists():
        yield _backup(database)


def _check_files(config: Config) -> Iterator[Finding]:
    """The place of attachments, where it is another than the state directory, or should be."""
    url = config["storage.media.url"]
    if not url:
        if config["storage.url"]:
            yield Finding("attachments", "hint", say("doctor.files.local"), say("doctor.files.fix"))
        return
    from ..store.media_place import files_of

    began = time.monotonic()
    try:
        files = files_of(config)
        if not files.remote and not os.access(files.root, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(say("doctor.files.noFolder"))
        next(files.everything(), None)
    except (GatewayError, OSError, ImportError) as exc:
        text = exc if isinstance(exc, PermissionError) else told(exc, language())
        yield Finding("attachments", "problem", say("doctor.files.problem", path=url, problem=text))
    else:
        ms = round((time.monotonic() - began) * 1000)
        yield Finding("attachments", "ok", say("doctor.files.ok", path=files.address, ms=ms))


def _check_server(config: Config) -> Iterator[Finding]:
    """A database in PostgreSQL: whether it answers, and keeps what it is given."""
    from ..store.failures import SchemaTooNew, StoreDamaged

    path = conversations(config)
    try:
        from ..store.postgres.check import examine

        facts = examine(config["storage.url"])
    except ImportError:
        text = "PostgreSQL needs psycopg: pip install 'jupyter-clawdbot[postgres]'"
        install = "pip install 'jupyter-clawdbot[postgres]'"
        yield Finding("database", "problem", told(ImportError(text), language()), install)
    except (StoreDamaged, SchemaTooNew, GatewayError) as exc:
        problem = told(exc, language())
        yield Finding(
            "database",
            "problem",
            say("storage.damaged", path=path, problem=problem) if isinstance(exc, StoreDamaged) else problem,
            say("doctor.database.serverFix"),
        )
    else:
        yield Finding(
            "database",
            "ok",
            say(
                "doctor.database.server",
                path=path,
                version=facts.version,
                size=nice_size(facts.bytes),
                count=facts.gateways,
            ),
        )
        if not facts.fsync:
            yield Finding(
                "database", "problem", say("doctor.database.unsafe", path=path), say("doctor.database.unsafeFix")
            )


def _backup(database: Path) -> Finding:
    """The newest copy of the database, if there is one."""
    newest = next(iter(backup_files.kept(database.parent / backup_files.FOLDER)), None)
    if newest is None:
        return Finding("backup", "hint", say("doctor.backup.none"), say("doctor.backup.fix"))
    age, size = ago(newest.at_ms, now_ms()), nice_size(newest.size)
    return Finding("backup", "ok", say("doctor.backup.ok", ago=age, path=newest.path, size=size))


def check_key(config: Config, setup: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Check that there is a provider to ask. Where a gateway runs, its own word (``setup``) counts: it may have been
    started with another environment than this one. A provider at an address of its own may need no key."""
    ready = ", ".join(_ready(config))
    if setup is not None and not setup.get("needsKey"):
        yield Finding("key", "ok", say("doctor.key.gateway", name=setup.get("provider", "?")))
    elif setup is not None and ready:
        yield Finding("key", "hint", say("doctor.key.hereOnly", names=ready), say("doctor.key.hereOnlyFix"))
    elif ready:
        yield Finding("key", "ok", say("doctor.key.ok", names=ready))
    else:
        yield Finding("key", "hint", say("doctor.key.none"), "clawdbot config set models.providers.anthropic.apiKey")


def _ready(config: Config) -> list[str]:
    return [provider.name for provider in config.providers().values() if provider.api_key or provider.base_url]


def check_environment() -> Iterator[Finding]:
    """Proxies and certificates as the HTTP client of a gateway started here would read them."""
    from ..agent.providers.http_environment import broken_variables

    for variable, why in broken_variables():
        yield Finding(
            "environment",
            "problem",
            f"{variable} {texts('agent')(why)}",
            say("doctor.environment.fix", variable=variable),
        )


def check_media() -> Iterator[Finding]:
    """The extra ``media``, in the environment that a gateway started here would have."""
    if importlib.util.find_spec("av") is None:
        yield Finding("media", "hint", say("doctor.media.none"), "pip install 'jupyter-clawdbot[media]'")
    else:
        yield Finding("media", "ok", say("doctor.media.ok"))


def check_tailscale(config: Config) -> Iterator[Finding]:
    """Tell why the running gateway is not offered by Tailscale; before a start, whether the program is there."""
    own = server_info.find_running_gateway(config)
    if problem := tailscale_problem(own):
        yield Finding("tailscale", "problem", problem)
    elif config["gateway.tailscale.mode"] != "off" and own is None and shutil.which("tailscale") is None:
        yield Finding("tailscale", "problem", texts("server")("tailscale.missing"))


def check_exposure(config: Config) -> Iterator[Finding]:
    """Check for what others could use, as ``clawdbot security audit`` names it; what may be meant so is left to
    that."""
    levels: dict[str, Level] = {"critical": "problem", "warn": "hint"}
    found = [each for each in security_checks.run_checks(config) if each.severity in levels]
    for each in found:
        yield Finding(each.check, levels[each.severity], each.text, each.remedy)
    if not found:
        yield Finding("security", "ok", say("doctor.security.ok", path=config.home))


def check_port(config: Config) -> Iterator[Finding]:
    """Owner of the port, when it is not this state directory's gateway."""
    port = config["gateway.port"]
    own = server_info.find_running_gateway(config)
    if own is not None or not port:
        return
    holder = identify("127.0.0.1", port, 0.5)
    if holder.kind == "unknown" and holder.pid is None and not _answers(port):
        yield Finding("port", "ok", say("doctor.port.free", port=port))
    else:
        yield Finding(
            "port",
            "problem",
            say(f"port.{holder.kind}", port=port, pid=holder.pid or "?", program=holder.program or "?"),
            say("doctor.port.fix"),
        )


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check_gateway(config: Config, target: Target) -> tuple[Finding, Mapping[str, Any] | None]:
    """Check that the gateway answers with these credentials; and which provider it says it has, if so."""
    remote = target.url or config["gateway.remote.url"]
    if not remote and server_info.find_running_gateway(config) is None:
        held = server_info.lock_held(config)
        text = say("doctor.gateway.starting") if held else say("doctor.gateway.off")
        return Finding("gateway", "hint", text, None if held else "jupyter clawdbot"), None
    try:
        health = with_client(target, lambda client: client.request("health", timeout_s=5))
        if problem := storage_problem(health):
            return Finding("database", "problem", problem, say("doctor.database.fix")), health.get("setup")
        return Finding("gateway", "ok", say("doctor.gateway.ok", url=target.locate().page_url)), health.get("setup")
    except exit_codes.EXPECTED as exc:
        return Finding("gateway", "problem", exit_codes.explain(exc)[1]), None

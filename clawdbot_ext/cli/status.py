"""``clawdbot status`` and ``clawdbot health``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..client.session_title import title_of
from ..config import load
from ..escapes import clean
from ..i18n import nice_size
from ..protocol.clock import now_ms
from ..runtime import server_info
from . import exit_codes
from .connection import Target, call_listing, gateway_options, json_option, over_ssh, with_client
from .printing import ago, duration, facts, for_people, language, out, print_json, say, shorten, table
from .published import tailscale_problem

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

RECENT = 5


@click.command("status", help=say("help.status"))
@json_option
@gateway_options
def status(target: Target, as_json: bool) -> None:
    """Sessions, model and provider at a glance."""
    url = target.locate().page_url
    found, main = call_listing(target, "status")
    if as_json:
        print_json({"url": url, **found})
        return
    gateway, model, setup = found.get("gateway", {}), found.get("model", {}), found.get("setup", {})
    runs = gateway.get("runs", {})
    rows = [
        (say("status.url"), url),
        (say("status.version"), gateway.get("version", "?")),
        (say("status.uptime"), duration(gateway.get("uptimeMs", 0))),
        (say("status.model"), f"{model.get('name', '?')} ({model.get('provider', '?')})"),
        (say("status.clients"), str(gateway.get("clients", 0))),
        (say("status.runs"), say("status.runs.value", running=runs.get("running", 0), queued=runs.get("queued", 0))),
        (say("status.sessions"), str(found["sessions"].get("count", 0))),
    ]
    rows += [(say(f"status.{limit['limit']}"), limit_left(limit)) for limit in found.get("limits", ())]
    if "spaces" in gateway:
        rows.append((say("status.spaces"), str(gateway["spaces"])))
    rows.append((say("status.storage"), _storage(found)))
    facts(rows)
    if setup.get("needsKey"):
        out(f"\n{for_people(say('status.needsKey'), sys.stdout)}")
    if problem := _tailscale_problem(target):
        out(f"\n{for_people(problem, sys.stdout)}")
    if recent := found["sessions"].get("recent", [])[:RECENT]:
        out()
        table(
            [say("sessions.key"), say("sessions.title"), say("sessions.updated")],
            [
                [
                    entry["key"],
                    shorten(title_of(entry, entry["key"], main, language()), 40),
                    ago(entry.get("updatedAt") or 0, now_ms()),
                ]
                for entry in recent
            ],
        )


def limit_left(limit: Mapping[str, Any]) -> str:
    """The rest of a spending limit, and when it begins anew in the gateway's time zone."""
    money = limit["limit"] == "limits.monthlyCost"
    left, most = (f"${limit[name]:,.2f}" if money else f"{limit[name]:,.0f}" for name in ("left", "max"))
    return clean(say("status.limit", left=left, most=most, at=limit["begins"]))


def _storage(found: Mapping[str, Any]) -> str:
    """The problem of the storage if there is one, its size and its newest backup."""
    storage = found.get("storage") or {}
    parts = [storage_problem(found) or say("status.storage.ok")]
    if "bytes" in storage:
        parts.append(nice_size(storage["bytes"]))
    if storage.get("engine") == "postgresql":
        parts.append(f"PostgreSQL {clean(str(storage.get('version', '')))}".strip())
        parts.append(say("status.storage.server", path=storage.get("path", ""), ms=storage.get("latencyMs", "")))
    if storage.get("mediaBytes"):
        parts.append(
            say(
                "status.storage.media", size=nice_size(storage["mediaBytes"]), path=clean(str(storage.get("media", "")))
            )
        )
    if storage.get("gateways", 1) > 1:
        parts.append(say("status.storage.gateways", count=storage["gateways"]))
    if last := storage.get("lastBackup"):
        parts.append(say("status.storage.backup", ago=ago(last["at"], now_ms())))
    return " · ".join(parts)


def _tailscale_problem(target: Target) -> str:
    """As the gateway of this state directory has published it, where that is the one asked."""
    config = load()
    if target.url is not None or over_ssh() is not None or config["gateway.remote.url"]:
        return ""
    return tailscale_problem(server_info.find_running_gateway(config))


def storage_problem(answer: Mapping[str, Any]) -> str:
    """Problem of the gateway's storage, by its ``health`` or ``status``; empty where nothing is."""
    storage = answer.get("storage") or {}
    if storage.get("ok", True):
        return ""
    if storage.get("state", "ok") != "ok":
        return clean(say(f"storage.state.{storage['state']}", detail=storage.get("detail", "")))
    if lost := storage.get("lost"):
        return clean(say("storage.lost", messages=lost.get("messages", 0), sends=lost.get("sends", 0)))
    return clean(say("storage.findings", problem=storage.get("findings", "")))


@click.command("health", help=say("help.health"))
@json_option
@gateway_options
def health(target: Target, as_json: bool) -> None:
    """Print the gateway's health; exit with 0 if it is well."""

    async def ask(client: GatewayClient) -> tuple[Any, float]:
        started = time.perf_counter()
        return await client.request("health", timeout_s=5), (time.perf_counter() - started) * 1000

    found, elapsed = with_client(target, ask)
    if as_json:
        print_json(found)
    else:
        key = "health.ok" if found.get("ok") else "health.notOk"
        out(clean(say(key, ms=f"{elapsed:.0f}")))
    if not found.get("ok"):
        raise click.exceptions.Exit(exit_codes.FAILED)

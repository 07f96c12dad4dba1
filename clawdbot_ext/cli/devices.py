"""``clawdbot devices``: who may connect, and letting in, turning away and taking back."""

from __future__ import annotations

from typing import Any

import click

from ..protocol.clock import now_ms
from .connection import Target, call, gateway_options, json_option
from .printing import ago, note, out, print_json, say, table


@click.group("devices", help=say("help.devices"))
def group() -> None:
    """See ``help``."""


@group.command("list", help=say("help.devices.list"))
@json_option
@gateway_options
def list_(target: Target, as_json: bool) -> None:
    """Devices that wait and devices that were let in."""
    found = call(target, "device.pair.list")
    if as_json:
        print_json(found)
        return
    now = now_ms()
    if found["pending"]:
        out(say("devices.pending"))
        table(
            [say(f"devices.{name}") for name in ("request", "name", "role", "address", "since")],
            [[r["requestId"], _name(r), r["role"], r.get("remoteIp", ""), ago(r["ts"], now)] for r in found["pending"]],
        )
        out()
    if not found["paired"]:
        note(say("devices.none"))
        return
    table(
        [say(f"devices.{name}") for name in ("id", "name", "role", "address", "since")],
        [
            [d["deviceId"], _name(d), ", ".join(d["roles"]), d.get("remoteIp", ""), ago(d["approvedAtMs"], now)]
            for d in found["paired"]
        ],
    )


def _name(device: dict[str, Any]) -> str:
    return str(device.get("displayName") or device.get("clientId") or "")


@group.command("approve", help=say("help.devices.approve"))
@click.argument("request_id", metavar="REQUEST")
@json_option
@gateway_options
def approve(target: Target, request_id: str, as_json: bool) -> None:
    answer = call(target, "device.pair.approve", requestId=request_id)
    _tell(answer, "devices.approved", answer["device"]["deviceId"], as_json=as_json)


@group.command("reject", help=say("help.devices.reject"))
@click.argument("request_id", metavar="REQUEST")
@json_option
@gateway_options
def reject(target: Target, request_id: str, as_json: bool) -> None:
    answer = call(target, "device.pair.reject", requestId=request_id)
    _tell(answer, "devices.rejected", answer["deviceId"], as_json=as_json)


@group.command("rotate", help=say("help.devices.rotate"))
@click.argument("device_id", metavar="DEVICE")
@click.option("--role", default="operator", show_default=True, help=say("help.devices.role"))
@json_option
@gateway_options
def rotate(target: Target, device_id: str, role: str, as_json: bool) -> None:
    answer = call(target, "device.token.rotate", deviceId=device_id, role=role)
    _tell(answer, "devices.rotated", device_id, as_json=as_json)
    if not as_json:
        out(answer["token"])


@group.command("revoke", help=say("help.devices.revoke"))
@click.argument("device_id", metavar="DEVICE")
@click.option("--role", default="operator", show_default=True, help=say("help.devices.role"))
@json_option
@gateway_options
def revoke(target: Target, device_id: str, role: str, as_json: bool) -> None:
    answer = call(target, "device.token.revoke", deviceId=device_id, role=role)
    _tell(answer, "devices.revoked", device_id, as_json=as_json)


def _tell(answer: Any, key: str, device: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        note(say(key, device=device))

"""``clawdbot models``: which model answers."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import click

from .. import config as settings
from ..client.endpoint import NoGateway
from ..client.errors import ClientError
from ..config import ConfigError
from .connection import Target, call, gateway_options, json_option, with_client
from .printing import facts, note, out, print_json, say, table

if TYPE_CHECKING:
    from ..client.gateway_client import GatewayClient

NAME = "agents.defaults.model"


@click.group("models", help=say("help.models"))
def group() -> None:
    """See ``help``."""


@group.command("list", help=say("help.models.list"))
@json_option
@gateway_options
def list_(target: Target, as_json: bool) -> None:
    """The models that can be chosen."""
    models = call(target, "models.list")["models"]
    if as_json:
        print_json(models)
        return
    table(
        ["", say("models.id"), say("models.name"), say("models.window")],
        [
            ["*" if m.get("isDefault") else "", _spec(m), str(m.get("name", "")), f"{m.get('contextWindow', 0):,}"]
            for m in models
        ],
    )


@group.command("set", help=say("help.models.set"))
@click.argument("model")
@click.option("--session", metavar="KEY", help=say("help.models.session"))
@gateway_options
def set_(target: Target, model: str, session: str | None) -> None:
    """Choose the model of a session, or of all that have none of their own."""
    chosen = "" if model in ("auto", "default") else model
    if session is not None:
        entry = _set_for_session(target, session, chosen or None)
        out(say("models.sessionSet", session=entry.get("key", session), model=entry.get("model", model)))
        return
    if target.url:
        call(target, "config.patch", raw=_patch(chosen))
    else:
        _check(target, chosen)
        config = settings.load()
        if chosen:
            settings.set_value(config.path, NAME, chosen)
        else:
            settings.unset_value(config.path, NAME)
    out(say("models.set", model=chosen or "auto"))


@group.command("status", help=say("help.models.status"))
@json_option
@gateway_options
def status(target: Target, as_json: bool) -> None:
    """The default model, where that choice comes from, and the providers that the gateway has."""

    async def ask(client: GatewayClient) -> tuple[Any, Any]:
        return await client.request("status"), await client.request("config.get")

    found, snapshot = with_client(target, ask)
    model, setup = found.get("model", {}), found.get("setup", {})
    entries = snapshot.get("config", {}).get("models", {}).get("providers", {})
    providers = [
        {
            "name": name,
            "api": entry.get("api"),
            "baseUrl": entry.get("baseUrl") or None,
            "hasKey": bool(entry.get("apiKey")),
        }
        for name, entry in entries.items()
    ]
    configured = snapshot.get("config", {}).get("agents", {}).get("defaults", {}).get("model") or None
    source = snapshot.get("sources", {}).get(NAME, "?")
    if as_json:
        print_json({"model": model, "configured": configured, "source": source, "setup": setup, "providers": providers})
        return
    chosen = f"{configured} ({source})" if configured else say("models.automatic")
    facts(
        [
            (say("models.answers"), f"{model.get('name', '?')} ({model.get('provider', '?')})"),
            (say("models.configured"), chosen),
            *((p["name"], say("models.keySet") if p["hasKey"] else say("models.noKey")) for p in providers),
        ]
    )
    if setup.get("needsKey"):
        note(say("status.needsKey"))


def _spec(model: dict[str, Any]) -> str:
    return str(model.get("spec") or f"{model.get('provider', '?')}/{model.get('id', '?')}")


def _check(target: Target, chosen: str) -> None:
    """Refuse a model that a running gateway does not have, with the nearest; without a gateway take any."""
    if not chosen:
        return
    try:
        models = call(target, "models.list")["models"]
    except (NoGateway, ClientError):
        return
    names = [name for model in models for name in (_spec(model), str(model.get("id", "")), str(model.get("name", "")))]
    if models and chosen not in names:
        near = difflib.get_close_matches(chosen, names, n=1, cutoff=0.4)
        raise ConfigError(NAME, say("models.unknown", model=chosen), near[0] if near else None)


def _set_for_session(target: Target, session: str, model: str | None) -> dict[str, Any]:
    async def ask(client: GatewayClient) -> dict[str, Any]:
        answer = await client.request("sessions.patch", {"key": session, "model": model})
        entry: dict[str, Any] = answer["entry"]
        return entry

    return with_client(target, ask)


def _patch(chosen: str) -> str:
    import json

    return json.dumps({"agents": {"defaults": {"model": chosen or None}}})

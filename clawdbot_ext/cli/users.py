"""``clawdbot users``: who has a space on this server, what they spend, and which settings hold for them.

It works on the operator's own files and database, with or without running gateways, which take changes up by
themselves.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click
import msgspec

from .. import config as settings
from ..cluster.spaces import OPEN, SPACE, KnownSpace
from ..config import Config, ConfigError
from ..config.file import REDACTED, read
from ..config.setting_types import is_hidden
from ..config.spaces import EVERYBODY, load_space, settings_for
from ..config.validation import check, unknown
from ..gateway.runs.budget import LIMITS, running
from ..i18n import nice_size
from ..protocol.clock import now_ms
from ..protocol.errors import Stale
from ..runtime import gateway_lock, server_info
from ..runtime.paths import database_path, users_folder
from ..store import backups, spaces
from ..store.api import StoreDamaged
from ..store.copying import Refused
from ..store.tables import Spent
from .config import read_value, say_what_follows
from .connection import json_option
from .printing import ago, facts, note, out, print_json, say, table

SETTINGS: Final = "users.settings"
BLOCKED: Final = "users.blocked"
TRIES = 5
"""Attempts at a change of the file, which another program may change at the same time."""


@click.group("users", help=say("help.users"))
def group() -> None:
    """See ``help``."""


def _spaces(config: Config) -> spaces.Spaces:
    return spaces.Spaces(database_path(config), config["storage.url"], users_folder(config))


def _known(config: Config) -> Sequence[KnownSpace]:
    """The users who have a space, by name."""
    with _told():
        found = [msgspec.convert(record, KnownSpace) for record in spaces.noted(_spaces(config), SPACE)]
    return sorted(found, key=lambda space: space.name.casefold())


def known_names() -> list[str]:
    """The users who have a space, and whom ``users.settings`` and ``users.blocked`` name. For completion."""
    config = settings.load()
    return list(dict.fromkeys([*(space.name for space in _known(config)), *config[SETTINGS], *config[BLOCKED]]))


@contextmanager
def _told() -> Iterator[None]:
    """Tell in a line what is wrong with the storage."""
    try:
        yield
    except StoreDamaged as error:
        raise click.ClickException(say("storage.damaged", path=error.path, problem=error.detail)) from None
    except backups.NoRoom as error:
        text = say("backup.noRoom", needed=nice_size(error.needed), free=nice_size(error.free))
        raise click.ClickException(text) from None
    except backups.CopyFailed as error:
        raise click.ClickException(f"{error.path}: {error.detail}") from None
    except Refused as error:
        raise click.ClickException(say(f"copy.refused.{error.reason}", **error.facts)) from None
    except ImportError:
        raise click.ClickException(say("copy.noPostgres")) from None


def _one(config: Config, name: str) -> KnownSpace:
    """The space of that name. Raises ``ClickException``: there is none."""
    known = {space.name: space for space in _known(config)}
    wanted = unicodedata.normalize("NFC", name)
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f" {say('error.nearest', suggestion=near[0])}" if near else ""
    raise click.ClickException(say("users.none", name=name) + hint)


def _is_open(config: Config, space: KnownSpace, noted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a gateway has a space open. A database says so itself; the files of a space are locked."""
    if config["storage.url"]:
        return any(each["slug"] == space.slug for each in noted)
    return server_info.lock_held(_loaded(config, space))


def _loaded(config: Config, space: KnownSpace) -> Config:
    return load_space(config, space.name, space.groups, _spaces(config).home(space.slug), space.slug)


def _is_blocked(config: Config, space: KnownSpace) -> bool:
    blocked = {unicodedata.normalize("NFC", entry) for entry in config[BLOCKED]}
    return space.name in blocked or any(f"@{group}" in blocked for group in space.groups)


def _row(config: Config, space: KnownSpace, noted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A space for programs."""
    month, day = running(now_ms())
    with _told():
        of_month, of_day = spaces.spent(_spaces(config), space.slug, [month.begins, day.begins])
        size = spaces.size(_spaces(config), space.slug)
    return {
        "name": space.name,
        "groups": list(space.groups),
        "slug": space.slug,
        "createdAt": space.created_at,
        "lastSeenAt": space.seen_at,
        "open": _is_open(config, space, noted),
        "blocked": _is_blocked(config, space),
        "month": _spent(of_month),
        "today": _spent(of_day),
        "bytes": size,
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {"cost": round(spent.cost, 6), "tokens": spent.tokens}


@group.command("list", help=say("help.users.list"))
@json_option
def list_(as_json: bool) -> None:
    """Everybody who has a space."""
    config = settings.load()
    with _told():
        noted = spaces.noted(_spaces(config), OPEN)
    rows = [_row(config, space, noted) for space in _known(config)]
    if as_json:
        print_json(rows)
        return
    if not config["users.from"]:
        note(say("users.off"))
    if not rows:
        note(say("users.noneYet"))
        return
    heads = ("users.name", "users.month", "users.tokens", "users.size", "users.seen", "users.state")
    table(
        [say(head) for head in heads],
        [
            [
                row["name"],
                f"${row['month']['cost']:,.2f}",
                f"{row['month']['tokens']:,}",
                nice_size(row["bytes"]),
                ago(row["lastSeenAt"], now_ms()),
                _state(row),
            ]
            for row in rows
        ],
    )


def _state(row: Mapping[str, Any]) -> str:
    states = [say(f"users.{state}") for state in ("blocked", "open") if row[state]]
    return ", ".join(states) or "–"


@group.command("show", help=say("help.users.show"))
@click.argument("user")
@json_option
def show(user: str, as_json: bool) -> None:
    """One user, with the settings that hold for them and what is left of their limits."""
    config = settings.load()
    space = _one(config, user)
    with _told():
        noted = spaces.noted(_spaces(config), OPEN)
    row, given = _row(config, space, noted), settings_for(config, space.name, space.groups)
    shown = {name: REDACTED if is_hidden(settings.find(name), value) else value for name, value in given.items()}
    limits = _limits(_loaded(config, space), row)
    if as_json:
        print_json({**row, "settings": shown, "limits": limits})
        return
    facts(
        [
            (say("users.name"), space.name),
            (say("users.groups"), ", ".join(space.groups) or "–"),
            (say("users.state"), _state(row)),
            (say("users.created"), ago(space.created_at, now_ms())),
            (say("users.seen"), ago(space.seen_at, now_ms())),
            (
                say("users.month"),
                _amount(row["month"]),
            ),
            (
                say("users.today"),
                _amount(row["today"]),
            ),
            *((say(f"status.{limit['limit']}"), _left(limit)) for limit in limits),
            (say("users.size"), nice_size(row["bytes"])),
            (say("users.folder"), str(_spaces(config).home(space.slug))),
            *((name, say("config.hidden") if value == REDACTED else _text(value)) for name, value in shown.items()),
        ]
    )


def _amount(spent: Mapping[str, Any]) -> str:
    return say("users.spent", cost=f"${spent['cost']:,.2f}", tokens=f"{spent['tokens']:,}")


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _limits(config: Config, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The limits of a user, and what is left of each."""
    used = {
        "limits.dailyTokens": row["today"]["tokens"],
        "limits.monthlyTokens": row["month"]["tokens"],
        "limits.monthlyCost": row["month"]["cost"],
    }
    found = [(name, config.value(name)) for name in LIMITS]
    return [
        {"limit": name, "max": most, "used": used[name], "left": round(max(0, most - used[name]), 6)}
        for name, most in found
        if most
    ]


def _left(limit: Mapping[str, Any]) -> str:
    money = limit["limit"] == "limits.monthlyCost"
    left, most = (f"${limit[name]:,.2f}" if money else f"{limit[name]:,}" for name in ("left", "max"))
    return say("users.left", left=left, most=most)


# -- settings of users ------------------------------------------------------------------------------------------------
@group.command("set", help=say("help.users.set"))
@click.argument("user", metavar="USER|@GROUP|*")
@click.argument("setting")
@click.argument("value", required=False)
def set_(user: str, setting: str, value: str | None) -> None:
    """Write one setting of a user, of a group or of everybody."""
    found = settings.find(setting)
    if found is None:
        raise unknown(setting)
    if value is None:
        value = str(click.prompt(setting, hide_input=found.secret, err=True))
    checked = check(setting, read_value(setting, value))
    plain = list(checked) if isinstance(checked, tuple) else checked

    def change(given: dict[str, dict[str, Any]]) -> None:
        given.setdefault(user, {})[setting] = plain

    _change_settings(user, change)
    key = "users.set" if found.secret else "users.setTo"
    out(say(key, user=user, name=setting, value=value))
    _say_if_unknown(user)
    say_what_follows(SETTINGS)


@group.command("unset", help=say("help.users.unset"))
@click.argument("user", metavar="USER|@GROUP|*")
@click.argument("setting", required=False)
def unset(user: str, setting: str | None) -> None:
    """Take one setting of a user, or all of them, out of the file."""

    def change(given: dict[str, dict[str, Any]]) -> None:
        own = given.get(user, {})
        if not own or (setting is not None and setting not in own):
            raise ConfigError(f"{SETTINGS}.{user}", say("users.notSet"))
        if setting is not None:
            del own[setting]
        if setting is None or not own:
            del given[user]

    _change_settings(user, change)
    out(say("users.unset", user=user, name=setting or SETTINGS))
    say_what_follows(SETTINGS)


def _change_settings(user: str, change: Callable[[dict[str, dict[str, Any]]], None]) -> None:
    """Change ``users.settings`` in the file. Raises ``ConfigError``."""

    def changed(tree: Mapping[str, Any]) -> Any:
        stored = (tree.get("users") or {}).get("settings") or {}
        given = {unicodedata.normalize("NFC", who): dict(own) for who, own in stored.items()}
        change(given)
        gone = {who: None for who in stored if who not in given}
        removed = {who: {name: None for name in stored.get(who, {}) if name not in own} for who, own in given.items()}
        return {"users": {"settings": {**{who: {**removed[who], **own} for who, own in given.items()}, **gone}}}

    _change(changed)


def _change(make: Callable[[Mapping[str, Any]], Any]) -> None:
    """Merge what ``make`` makes of the file into it, and again where another program was first."""
    path = settings.config_path()
    for attempt in range(TRIES):
        content = read(path)
        if content.problem is not None:
            raise content.problem
        try:
            settings.merge(path, make(content.tree or {}), base_hash=content.hash)
        except Stale:
            if attempt == TRIES - 1:
                raise
        else:
            return


def _say_if_unknown(user: str) -> None:
    if user != EVERYBODY and not user.startswith("@"):
        with _told():
            names = {space.name for space in _known(settings.load())}
        if unicodedata.normalize("NFC", user) not in names:
            note(say("users.notYet", name=user))


@group.command("block", help=say("help.users.block"))
@click.argument("user", metavar="USER|@GROUP")
def block(user: str) -> None:
    """Keep a user out: gateways that run close the space within seconds."""
    _change_blocked(user, blocked=True)
    out(say("users.isBlocked", user=user))
    say_what_follows(BLOCKED)


@group.command("unblock", help=say("help.users.unblock"))
@click.argument("user", metavar="USER|@GROUP")
def unblock(user: str) -> None:
    """Let a user in again."""
    _change_blocked(user, blocked=False)
    out(say("users.isUnblocked", user=user))
    say_what_follows(BLOCKED)


def _change_blocked(user: str, *, blocked: bool) -> None:
    check(BLOCKED, [user])
    wanted = unicodedata.normalize("NFC", user)

    def changed(tree: Mapping[str, Any]) -> Any:
        stored = list((tree.get("users") or {}).get("blocked") or ())
        rest = [entry for entry in stored if unicodedata.normalize("NFC", entry) != wanted]
        if not blocked and len(rest) == len(stored):
            raise ConfigError(BLOCKED, say("users.notBlocked", user=user))
        return {"users": {"blocked": [*rest, wanted] if blocked else rest or None}}

    _change(changed)


# -- removing ---------------------------------------------------------------------------------------------------------
@group.command("remove", help=say("help.users.remove"))
@click.argument("user")
@click.option("--yes", is_flag=True, help=say("help.yes"))
@json_option
def remove(user: str, yes: bool, as_json: bool) -> None:
    """Pack a user's space into an archive, and remove it."""
    config = settings.load()
    space, where = _one(config, user), _spaces(config)
    if not yes:
        click.confirm(say("users.confirm", name=space.name), abort=True)
    with _told():
        noted = spaces.noted(where, OPEN)
    if _is_open(config, space, noted):
        raise click.ClickException(say("users.isOpen", name=space.name))
    about = {"name": space.name, "groups": list(space.groups), "createdAt": space.created_at}
    own = _loaded(config, space)
    lock = None
    if where.home(space.slug).exists():  # no gateway opens it meanwhile
        lock = gateway_lock.acquire(own)
        if lock is None:
            raise click.ClickException(say("users.isOpen", name=space.name))
    try:
        with _told():
            archive = spaces.pack(where, space.slug, about)
            spaces.remove(where, space.slug)
            spaces.forget(where, space.slug, (SPACE, OPEN))
    finally:
        if lock is not None:
            lock.release()
    if as_json:
        print_json({"name": space.name, "archive": str(archive)})
        return
    out(say("users.removed", name=space.name, path=archive))
    if config["storage.media.url"]:
        note(say("users.media", place=own["storage.media.url"]))
    if not _is_blocked(config, space):
        note(say("users.comesBack", name=space.name))

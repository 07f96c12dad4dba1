"""``clawdbot config``: read and change the configuration file, with or without a running gateway (which notices)."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from .. import config as settings
from ..config import Config, ConfigError
from ..config.file import REDACTED, issues, read, unflatten
from ..config.setting_types import is_hidden
from ..config.validation import is_branch, unknown
from ..escapes import clean
from ..gateway.access.start_rules import broken_rules, new_problems
from ..runtime import server_info
from ..runtime.secrets import local_token
from . import exit_codes
from .connection import Target, call, json_option
from .printing import facts, fail, language, note, out, print_json, say


@click.group("config", help=say("help.config"))
def group() -> None:
    """See ``help``."""


@group.command("get", help=say("help.config.get"))
@click.argument("name", required=False)
@click.option("--reveal", is_flag=True, help=say("help.config.reveal"))
@json_option
def get(name: str | None, reveal: bool, as_json: bool) -> None:
    """One value, or all that match."""
    config = settings.load()
    if name is not None and settings.find(name) is not None:
        _print_value(_effective(config, name), as_json=as_json)
        return
    names = _matching(config, name)
    values = {each: _shown(config, each, reveal=reveal) for each in names}
    if as_json or (name is not None and is_branch(name)):
        print_json(_below(unflatten(values), name) if name is not None and is_branch(name) else values)
    else:
        facts([(each, f"{_literal(value)}{_origin(config, each, value)}") for each, value in values.items()])


def _matching(config: Config, pattern: str | None) -> list[str]:
    """The settings that ``pattern`` (a glob, or an object's name) stands for. Raises ``ConfigError`` for none."""
    if pattern is None:
        return list(config.names())
    found = [name for name in config.names() if fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}.")]
    if not found and (is_branch(pattern) or any(character in pattern for character in "*?[")):
        raise ConfigError(pattern, say("config.noMatch"))
    if not found:
        raise unknown(pattern)
    return found


def _effective(config: Config, name: str) -> Any:
    """The value in force; for a token that was not set, the one generated for this state directory."""
    value = config.value(name)
    if name == "gateway.auth.token" and not value and config["gateway.auth.mode"] == "token":
        return local_token(config) or ""
    return value


def _shown(config: Config, name: str, *, reveal: bool) -> Any:
    setting = settings.find(name)
    value = _effective(config, name)
    return REDACTED if setting is not None and is_hidden(setting, value) and not reveal else value


def _print_value(value: Any, *, as_json: bool) -> None:
    if as_json or not isinstance(value, str):
        print_json(value)
    else:
        out(clean(value))


def _literal(value: Any) -> str:
    if value == REDACTED:
        return say("config.hidden")
    return "" if value == "" else json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _origin(config: Config, name: str, shown: Any) -> str:
    source = config.source(name)
    if source == "default" and shown and not config.value(name):
        return f"  ({say('config.generated')})"
    return "" if source == "default" else f"  ({say(f'config.source.{source}')})"


def _below(tree: Mapping[str, Any], name: str) -> Any:
    node: Any = tree
    for part in name.split("."):
        node = node[part]
    return node


@group.command("set", help=say("help.config.set"))
@click.argument("name")
@click.argument("value", required=False)
@click.option("--force", is_flag=True, help=say("help.config.force"))
def set_(name: str, value: str | None, force: bool) -> None:
    """Write one setting; a value that is not given is asked for, or read from standard input."""
    setting = settings.find(name)
    if setting is None and not is_branch(name):
        raise unknown(name)
    if value is None:
        value = _ask(name, hidden=setting is not None and setting.secret)
    guard = None if force else _refuse_what_no_gateway_starts_with
    settings.set_value(settings.config_path(), name, read_value(name, value), guard=guard)
    secret = setting is None or setting.secret
    out(say("config.set", name=name) if secret else say("config.setTo", name=name, value=value))
    say_what_follows(name)


def _refuse_what_no_gateway_starts_with(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Exit where a change breaks a rule between settings; with ``--force`` none is looked at."""
    try:
        present = settings.load(tree=before)
    except ConfigError:  # it is being mended
        return
    if problems := new_problems(present, settings.load(tree=after)):
        fail("\n".join([*map(exit_codes.describe, problems), say("config.forceHint")]))
        raise click.exceptions.Exit(exit_codes.USAGE)


def _ask(name: str, *, hidden: bool) -> str:
    """A value that is not in the shell's history."""
    if sys.stdin.isatty():
        asked: str = click.prompt(name, hide_input=hidden, err=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


def read_value(name: str, text: str) -> Any:
    """Parse ``text`` as JSON5; for a setting that is text, return it as it is."""
    setting = settings.find(name)
    if setting is not None and setting.type == "string":
        quoted = text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1
        return settings.parse(text, name) if quoted else text
    try:
        return settings.parse(text, name)
    except ConfigError:
        if setting is None:
            raise
        return text  # the table says better what it should have been


def say_what_follows(name: str) -> None:
    """Why the new value may not hold yet."""
    try:
        config = settings.load()
    except ConfigError as exc:
        note(say("config.stillWrong", problem=exit_codes.describe(exc)))
        return
    for each in config.names():
        if (each == name or each.startswith(f"{name}.")) and config.source(each) in ("env", "flag"):
            setting = settings.find(each)
            variables = settings.variables(each) if setting is not None else ()
            note(say("config.overridden", name=each, variable=", ".join(variables)))
    if not server_info.lock_held(config):
        return
    if any(each.restart and (each.name == name or each.name.startswith(f"{name}.")) for each in settings.SETTINGS):
        note(say("config.restart"))
    with contextlib.suppress(*exit_codes.EXPECTED):  # it takes it up by itself within a second, if it cannot be asked
        call(Target(None, None, None), "config.get")


@group.command("unset", help=say("help.config.unset"))
@click.argument("name")
@click.option("--force", is_flag=True, help=say("help.config.force"))
def unset(name: str, force: bool) -> None:
    """Take a setting out of the file, so that its default holds again."""
    guard = None if force else _refuse_what_no_gateway_starts_with
    settings.unset_value(settings.config_path(), name, guard=guard)
    out(say("config.unset", name=name))
    say_what_follows(name)


@group.command("path", help=say("help.config.path"))
def path() -> None:
    """Print the path of the configuration file."""
    out(str(settings.config_path()))


@group.command("validate", help=say("help.config.validate"))
@json_option
def validate(as_json: bool) -> None:
    """Check the configuration; exit with 2 and the faults if there are any."""
    where = settings.config_path()
    content = read(where)
    found = [content.problem] if content.problem else issues(content.tree or {})
    notes: tuple[ConfigError, ...] = ()
    try:
        config = settings.load()
        notes = config.notes
        found = [*found, *broken_rules(config)]
    except ConfigError as exc:  # the environment may be wrong, too
        if not found:
            found = [exc]
    if as_json:
        print_json(
            {
                "path": str(where),
                "exists": content.exists,
                "valid": not found,
                "issues": [_row(issue) for issue in found],
                "notes": [_row(issue) for issue in notes],
            }
        )
    else:
        for issue in found:
            out(exit_codes.describe(issue))
        for issue in notes:
            note(say("config.note", problem=exit_codes.describe(issue)))
        if not found:
            out(say("config.valid", path=where) if content.exists else say("config.absent", path=where))
    if found:
        raise click.exceptions.Exit(exit_codes.USAGE)


def _row(issue: ConfigError) -> dict[str, str | None]:
    return {"name": issue.name, "problem": issue.problem_in(language()), "suggestion": issue.suggestion}

"""``clawdbot backup`` and ``clawdbot restore``: copies of the conversations, and ``repair`` for ``clawdbot doctor``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from .. import config as settings
from ..config import Config
from ..i18n import nice_size
from ..runtime import gateway_lock, server_info
from ..runtime.paths import conversations, database_path
from ..store import backup_files, backups, salvage
from ..store.api import SchemaTooNew, StoreDamaged
from .connection import Target, call, gateway_options, json_option, over_ssh
from .printing import note, out, print_json, say


def in_file(config: Config) -> Path:
    """The database file. Raises ``ClickException``: the conversations are in PostgreSQL."""
    if config["storage.url"]:
        raise click.ClickException(say("storage.server", path=conversations(config)))
    return database_path(config)


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Hold the gateway's lock, so that no gateway runs or starts. Raises ``ClickException``: one does."""
    lock = gateway_lock.acquire(config)
    if lock is None:
        raise click.ClickException(say("storage.running"))
    try:
        yield
    finally:
        lock.release()


@click.command("backup", help=say("help.backup"))
@click.argument("to", required=False, type=click.Path(path_type=Path))
@json_option
@gateway_options
def backup(target: Target, to: Path | None, as_json: bool) -> None:
    """By the gateway that runs, which may hold what is in no file any more; else from the file."""
    config = settings.load()
    elsewhere = target.url is not None or bool(config["gateway.remote.url"]) or over_ssh() is not None
    if elsewhere and to is not None:
        raise click.UsageError(say("backup.elsewhere"))
    if elsewhere or server_info.lock_held(config):
        path = Path(call(target, "storage.backup")["path"])
    else:
        path = _from_file(in_file(config))
    if to is not None:
        path = _move(path, to)
    if as_json:
        print_json({"path": str(path)})
        return
    out(str(path))
    note(say("backup.done"))


def _from_file(database: Path) -> Path:
    if not database.exists():
        raise click.ClickException(say("storage.none", path=database))
    try:
        return salvage.back_up(database)
    except backups.NoRoom as error:
        text = say("backup.noRoom", needed=nice_size(error.needed), free=nice_size(error.free))
        raise click.ClickException(text) from None
    except backups.CopyFailed as error:
        raise click.ClickException(f"{error.path}: {error.detail}") from None
    except StoreDamaged as error:
        raise click.ClickException(say("storage.damaged", path=database, problem=error.detail)) from None


def _move(path: Path, to: Path) -> Path:
    """Move a copy to where the person wants it; into a folder under its own name. A file there is not overwritten."""
    goal = to / path.name if to.is_dir() else to
    with goal.open("xb") as file, path.open("rb") as source:
        try:
            os.fchmod(file.fileno(), 0o600)
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            goal.unlink()  # a part of a copy, which would be in the way of another try
            raise
    backups.sync(goal.absolute().parent)
    path.unlink()
    return goal.absolute()


@click.command("restore", help=say("help.restore"))
@click.argument("backup_file", metavar="[FROM]", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--list", "listing", is_flag=True, help=say("help.restore.list"))
@click.option("--yes", is_flag=True, help=say("help.yes"))
def restore(backup_file: Path | None, listing: bool, yes: bool) -> None:
    """The newest backup, or the one that is named; the present database is moved aside."""
    config = settings.load()
    database = in_file(config)
    known = backup_files.kept(database.parent / backup_files.FOLDER)
    if listing:
        for each in known:
            out(f"{each.path}  {nice_size(each.size)}")
        return
    if backup_file is None:
        if not known:
            raise click.ClickException(say("restore.none", path=database.parent / backup_files.FOLDER))
        backup_file = known[0].path
    if problem := backups.problem_of(backup_file):
        raise click.ClickException(say("storage.damaged", path=backup_file, problem=problem))
    if not yes:
        click.confirm(say("restore.confirm", path=backup_file), abort=True)
    with alone(config):
        try:
            aside = salvage.put_back(backup_file, database)
        except SchemaTooNew as error:
            raise _too_new(backup_file, error) from None
        except StoreDamaged as error:
            raise click.ClickException(say("storage.damaged", path=backup_file, problem=error.detail)) from None
    out(say("restore.done", path=backup_file))
    if aside is not None:
        note(say("restore.aside", path=aside))


def _too_new(path: Path, error: SchemaTooNew) -> click.ClickException:
    return click.ClickException(say("storage.tooNew", path=path, found=error.found, supported=error.supported))


def repair(config: Config) -> Iterator[tuple[bool, str]]:
    """``doctor --repair``: what was done, a line each, and whether it went well."""
    database = in_file(config)
    with alone(config):
        if not database.exists():
            yield True, say("storage.none", path=database)
            return
        problem = salvage.check(database)
        if not problem:
            yield True, say("repair.nothing", path=database)
            return
        try:
            found, aside = salvage.repair(database)
        except SchemaTooNew as error:
            raise _too_new(database, error) from None
    yield False, say("storage.damaged", path=database, problem=problem)
    if aside is not None:
        yield True, say("repair.aside", path=aside)
    if found is None:
        yield False, say("repair.unreadable")
        return
    yield True, say("repair.kept", messages=found.kept.get("messages", 0), sessions=found.kept.get("sessions", 0))
    for table, rows in found.lost.items():
        yield False, say("repair.lost", table=table, rows=rows)
    if found.headings:
        yield True, say("repair.headings", count=found.headings)

"""``clawdbot storage copy``: everything that one storage keeps, into another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from .. import config as settings
from ..config import Config
from ..gateway.error_texts import told
from ..i18n import nice_size
from ..protocol.errors import GatewayError
from ..runtime import gateway_lock, server_info
from ..store import copy_files, copying
from ..store.api import SchemaTooNew, StoreDamaged
from ..store.copy_ends import SqliteEnd
from ..store.copying import End, Refused
from ..store.files import Files
from ..store.media_place import FOLDER, files_of
from .connection import json_option
from .printing import language, note, out, print_json, say

HOME: Final = "home"
CONFIGURED: Final = "storage.url"
"""Words for the storages of this state directory: its file, and the one that the setting names."""
DATABASE = "gateway.sqlite3"
ENDINGS = (".sqlite3", ".sqlite", ".db")
"""Of names that are a file's where there is none yet, and not a folder's."""


@click.group("storage", help=say("help.storage"))
def group() -> None:
    """Commands about where conversations are kept."""


@group.command("copy", help=say("help.storage.copy"))
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--media-from", metavar="URL", help=say("help.storage.mediaFrom"))
@click.option("--media-to", metavar="URL", help=say("help.storage.mediaTo"))
@click.option("--no-files", is_flag=True, help=say("help.storage.noFiles"))
@json_option
def copy(source: str, target: str, media_from: str | None, media_to: str | None, no_files: bool, as_json: bool) -> None:
    """Copy rows, then the files that they need."""
    config = settings.load()
    show = Progress(quiet=as_json)
    with ExitStack() as stack, _told():
        if media_from or media_to:
            _check(media_from, media_to)
        if _path(config, source) == _path(config, target) is not None:
            raise click.UsageError(say("copy.same"))
        reads, reads_files = _end(config, source, stack, writes=False)
        writes, writes_files = _end(config, target, stack, writes=True)
        if reads.place == writes.place:
            raise click.UsageError(say("copy.same"))
        tables = copying.copy(reads, writes, show.rows, comparing=show.compared)
        files = None
        if not no_files:
            here = files_of(config, media_from) if media_from else reads_files
            there = files_of(config, media_to) if media_to else writes_files
            files = _copy_files(writes, here, there, show)
        if as_json:
            print_json(_report(reads, writes, tables, files))
            return
        rows = sum(table.rows for table in tables.values())
        out(say("copy.done", rows=rows, source=reads.place, target=writes.place))
        if files is not None:
            out(say("copy.files", copied=files.copied, present=files.present, size=nice_size(files.bytes)))
            for sha256 in files.missing:
                note(say("copy.missing", sha256=sha256))
        note(say("copy.next"))


def _report(reads: End, writes: End, tables: Any, files: copy_files.CopiedFiles | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "from": reads.place,
        "to": writes.place,
        "tables": {name: {"rows": table.rows, "sha256": table.sha256} for name, table in tables.items()},
    }
    if files is not None:
        report["files"] = {
            "copied": files.copied,
            "present": files.present,
            "bytes": files.bytes,
            "missing": files.missing,
        }
    return report


def _check(*urls: str | None) -> None:
    """Check addresses of attachments as the setting is. Raises ``ConfigError``."""
    from ..config.validation import check

    for url in urls:
        if url:
            check("storage.media.url", url)


def _end(config: Config, name: str, stack: ExitStack, *, writes: bool) -> tuple[End, Files]:
    """One end of the copy, and the place of its files."""
    if name == CONFIGURED:
        name = config[CONFIGURED]
        if not name:
            raise click.UsageError(say("copy.noUrl"))
    if name.startswith(("postgresql://", "postgres://")):
        try:
            from ..store.postgres.copy_end import PostgresEnd
        except ImportError:
            raise click.ClickException(say("copy.noPostgres")) from None
        remote = PostgresEnd(name)
        stack.callback(remote.close)
        return remote, files_of(config)
    path = _path(config, name)
    assert path is not None
    beside = _hold(path, stack, writes=writes)
    local = SqliteEnd(path, beside=beside)
    stack.callback(local.close)
    return local, Files(path.parent / FOLDER)


def _path(config: Config, name: str) -> Path | None:
    """The database file of this state directory, of another one, or a file somewhere; ``None`` for a server."""
    if name == CONFIGURED or name.startswith(("postgresql://", "postgres://")):
        return None
    path = config.home if name == HOME else Path(name).expanduser().absolute()
    if path.is_file() or (path.suffix in ENDINGS and not path.is_dir()):
        return path
    return (path if path.name == "jupyter" else path / "jupyter") / DATABASE


def _hold(path: Path, stack: ExitStack, *, writes: bool) -> bool:
    """Keep the gateway of a state directory from starting meanwhile; whether one runs, and only reads."""
    if path.name != DATABASE or path.parent.name != "jupyter":
        return False  # a copy of a file, which no gateway opens
    config = settings.load({"CLAWDBOT_STATE_DIR": str(path.parent.parent)})
    if not path.parent.exists():
        return False
    lock = None if server_info.lock_held(config) else gateway_lock.acquire(config)
    if lock is not None:
        stack.callback(lock.release)
    elif writes:
        raise click.ClickException(say("storage.running"))
    return lock is None


def _copy_files(rows: End, source: Files, target: Files, show: Progress) -> copy_files.CopiedFiles | None:
    if source.root == target.root and not source.remote:
        return None
    return copy_files.copy(source, target, copy_files.wanted(rows), show.rows)


@contextmanager
def _told() -> Iterator[None]:
    """Say why a copy was not made, and that another call goes on with it."""
    try:
        yield
    except Refused as error:
        raise click.ClickException(say(f"copy.refused.{error.reason}", **error.facts)) from None
    except SchemaTooNew as error:
        text = say("storage.tooNew", path=error.path, found=error.found, supported=error.supported)
        raise click.ClickException(text) from None
    except StoreDamaged as error:
        raise click.ClickException(say("storage.damaged", path=error.path, problem=error.detail)) from None
    except (GatewayError, OSError) as error:
        raise click.ClickException(say("copy.cutOff", problem=told(error, language()))) from None
    except KeyboardInterrupt:
        note(say("copy.again"))
        raise


class Progress:
    """The progress of the copy, on standard error: a line that changes in a terminal, else one a table."""

    def __init__(self, *, quiet: bool):
        self._quiet, self._moving = quiet, sys.stderr.isatty()

    def rows(self, name: str, done: int, total: int) -> None:
        self._show(say("copy.rows", name=name, done=done, total=total), done >= total)

    def compared(self, name: str, done: int, total: int) -> None:
        self._show(say("copy.compared", name=name, done=done, total=total), done >= total)

    def _show(self, text: str, ended: bool) -> None:
        if self._quiet:
            return
        if self._moving:
            click.echo(f"\r\x1b[K{text}", err=True, nl=ended)
        elif ended:
            click.echo(text, err=True)

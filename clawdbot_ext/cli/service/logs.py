"""``clawdbot gateway logs``: the end of the gateway's log, for people or as it is."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from ...config import load
from ...escapes import clean
from ..printing import out
from .units import ServiceError, tell

FOLLOW_S = 0.5
COLOURS = {"WARN": "yellow", "ERROR": "red", "FATAL": "red", "DEBUG": "bright_black"}


@click.command("logs", help=tell("help.service.logs"))
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=50, help=tell("help.service.lines"))
@click.option("--follow", "-f", is_flag=True, help=tell("help.service.follow"))
@click.option("--json", "as_json", is_flag=True, help=tell("help.service.json"))
def logs(lines: int, follow: bool, as_json: bool) -> None:
    """The end of the gateway's log, wherever it runs from."""
    path = load().home / "logs" / "gateway.log"
    try:
        log: TextIO = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ServiceError("service.noLog", path=path) from None
    try:
        for line in deque(log, lines):
            _print(line, as_json=as_json)
        while follow:
            log = _added(log, path, as_json=as_json)
            time.sleep(FOLLOW_S)
    finally:
        log.close()


def _added(log: TextIO, path: Path, *, as_json: bool) -> TextIO:
    """Print what was added; the file to go on with, another one once this one has been put away."""
    for line in log:
        _print(line, as_json=as_json)
    try:
        if os.path.samestat(os.fstat(log.fileno()), path.stat()):
            return log
        following = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # between the two
        return log
    with log:
        for line in log:  # written since, to the one that was put away
            _print(line, as_json=as_json)
    return following


def _print(line: str, *, as_json: bool) -> None:
    line = clean(line.rstrip("\n"))
    out(line if as_json else readable(line))


def readable(line: str) -> str:
    """A record of the log as local time, level and text; a line that is no record as it is."""
    try:
        record = json.loads(line)
        when = datetime.fromisoformat(str(record["time"]).replace("Z", "+00:00")).astimezone()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return line
    level = str((record.get("_meta") or {}).get("logLevelName") or "INFO")
    keys = sorted((key for key in record if key.isdigit()), key=int)
    texts = [str(record[key]) for key in keys if not str(record[key]).startswith('{"subsystem"')]
    text = clean(" ".join(texts)).replace("\n", "\n    ")
    return f"{when:%Y-%m-%d %H:%M:%S}  {click.style(f'{level:<5}', fg=COLOURS.get(level))}  {text}"

"""Where our own server logs: a file in the state directory at ``logging.level``; what is serious, the terminal too."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .config import Config

MAX_BYTES = 5_000_000
BACKUPS = 2
_SECRET_ARGUMENT = re.compile(
    r"([?&][^=&\s]*(?:token|password|code|auth|key|secret)[^=&\s]*=)[^&\s\"']+", re.IGNORECASE)
_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "FATAL"}
_KEY = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|(?<=earer )[A-Za-z0-9._~+/=-]{12,}")
"""A provider's key, and what follows ``Bearer``."""
_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class Scrub(logging.Filter):
    """Takes secrets out of the URLs in messages: Tornado logs the whole URL of a failed request, and people who know
    Jupyter paste ``?token=…``."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (clean := _SECRET_ARGUMENT.sub(r"\1[secret]", message)) != message:
            record.msg, record.args = clean, None
        return True


class PrivateFile(RotatingFileHandler):
    """A log that only its owner reads: it names sessions."""

    def _open(self):  # type: ignore[no-untyped-def]  # the base's type is a text stream of the standard library's own
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return super()._open()


class JsonLine(logging.Formatter):
    """One JSON object a line, in the form that Clawdbot's log viewers read; secrets are left out."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        name = record.name.removeprefix("clawdbot_ext.")
        meta = {"name": name, "logLevelName": _NAMES.get(record.levelno, record.levelname), "date": at}
        line = {"0": json.dumps({"subsystem": name}), "1": _KEY.sub("[redacted]", text), "_meta": meta, "time": at}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def start(config: Config, server_log: logging.Logger, *, verbose: bool) -> Path:
    """Send our log, and the Jupyter server's, to ``home/logs/gateway.log``; what is serious also to the terminal.

    Returns the file. Call it once the state directory exists.
    """
    file = _file(config)
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO if verbose else logging.WARNING)
    terminal.setFormatter(next((handler.formatter for handler in server_log.handlers), None))
    ours = logging.getLogger("clawdbot_ext")
    ours.setLevel(file.level)
    ours.propagate = False
    ours.handlers = [file, terminal]
    server_log.addHandler(file)
    for handler in {*ours.handlers, *server_log.handlers}:
        handler.addFilter(Scrub())
    return Path(file.baseFilename)


def to_file(config: Config) -> logging.Handler:
    """Send our own log, and nothing of the server around us, to ``home/logs/gateway.log`` too; for a gateway in
    somebody's Jupyter server. Who ends it removes the handler from the logger ``clawdbot_ext``."""
    file = _file(config)
    file.addFilter(Scrub())
    ours = logging.getLogger("clawdbot_ext")
    ours.setLevel(file.level)
    ours.addHandler(file)
    return file


def _file(config: Config) -> PrivateFile:
    path = config.home / "logs" / "gateway.log"
    file = PrivateFile(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
    file.setLevel(_LEVELS[config["logging.level"]])
    file.setFormatter(JsonLine())
    return file

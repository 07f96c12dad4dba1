"""Log files of the gateway: a file in the state directory at ``logging.level``; warnings also go to the terminal."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO
from urllib.parse import unquote_plus

from .. import private_files
from ..config import Config
from ..escapes import visible

MAX_BYTES = 5_000_000
BACKUPS = 2
LONGEST = 16_000
"""Maximum length in characters of a message, and of a traceback."""
NEAR = 256 * 1024
"""More than any line takes: how near to its limit a file is measured with each."""
_ARGUMENT = re.compile(r"([?&])([^=&?\s]+)=([^&\s\"']+)")
_SECRET = re.compile(r"token|password|code|auth|key|secret", re.IGNORECASE)
_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "FATAL"}
_KEY = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|(?<=earer )[A-Za-z0-9._~+/=-]{12,}")
"""A provider's key, and what follows ``Bearer``."""
_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class Scrub(logging.Filter):
    """Filter of every handler that writes to a terminal or a file. The text of a record is bounded, in linear time, and

    - has no secrets in URLs: Tornado logs the whole URL of a failed request, and people who know Jupyter paste
      ``?token=…``; and no keys of providers, which their errors may repeat;
    - steers no terminal: control characters are written out (``\\x1b``);
    - forges no line: what follows a line break is indented, for texts of clients stand in our records and in
      tracebacks. Records of others keep their lines.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "scrubbed", False):
            return True
        ours = record.name.startswith(("clawdbot_ext", "tornado"))
        record.msg, record.args = _scrubbed(record.getMessage(), indent=ours), None
        if record.exc_info and not record.exc_text:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _scrubbed(record.exc_text, indent=True)
        record.scrubbed = True
        return True


_FORMATTER = logging.Formatter()
SCRUB = Scrub()


def _scrubbed(text: str, *, indent: bool) -> str:
    if len(text) > LONGEST:  # a traceback's end says what it was
        text = f"{text[: LONGEST // 2]}\n…\n{text[-LONGEST // 2 :]}"
    text = _KEY.sub("[redacted]", visible(_ARGUMENT.sub(_without_secret, text)))
    return text.replace("\n", "\n    ") if indent else text


def _without_secret(found: re.Match[str]) -> str:
    name = unquote_plus(found[2])
    return f"{found[1]}{found[2]}=[secret]" if _SECRET.search(name) else found[0]


def guard(logger: logging.Logger) -> None:
    """Put ``Scrub`` in front of every handler that gets what ``logger`` gets, and of Python's handler of last resort,
    which writes what no other handler does."""
    place: logging.Logger | None = logger
    while place is not None:
        for handler in place.handlers:
            handler.addFilter(SCRUB)
        place = place.parent if place.propagate else None
    if logging.lastResort is not None:
        logging.lastResort.addFilter(SCRUB)


class PrivateFile(RotatingFileHandler):
    """A log file of mode 0600, since it names sessions; the mode of an existing file is narrowed. Never written through
    a link, and never at another place. A file that was removed, alone or with its directory, is made again."""

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802  the standard library's name
        try:
            size = os.stat(self.baseFilename).st_size
        except OSError:
            if self.stream is not None:
                self._removed(self.stream)
        else:
            if (
                self.stream is not None and size < self.maxBytes - NEAR
            ):  # the base looks thrice, and formats it for that
                return False
        return super().shouldRollover(record)

    def _removed(self, stream: TextIO) -> None:
        stream.close()
        self.stream = None  # the base opens it anew
        if Path(self.baseFilename).parents[1].is_dir():  # never the state directory itself: that is told
            private_files.make_directory(Path(self.baseFilename).parent)

    def _open(self):  # type: ignore[no-untyped-def]  # the base's type is a text stream of the standard library's own
        return os.fdopen(
            private_files.open_file(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND | os.O_CREAT),
            self.mode,
            encoding=self.encoding,
            errors=self.errors,
        )


class JsonLine(logging.Formatter):
    """One JSON object a line, in the form that Clawdbot's log viewers read."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_text:
            text += "\n" + record.exc_text
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        name = record.name.removeprefix("clawdbot_ext.")
        meta = {"name": name, "logLevelName": _NAMES.get(record.levelno, record.levelname), "date": at}
        line = {"0": json.dumps({"subsystem": name}), "1": text, "_meta": meta, "time": at}
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
    logging.getLogger("asyncio").addHandler(file)  # its words for a task that failed while nothing waited for it
    guard(ours)
    guard(server_log)
    return Path(file.baseFilename)


def to_file(config: Config) -> logging.Handler:
    """Send our own log, and nothing of the server around us, to ``home/logs/gateway.log`` too; for a gateway in
    another Jupyter server. The caller removes the handler from the logger ``clawdbot_ext`` in the end."""
    file = _file(config)
    file.addFilter(SCRUB)
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

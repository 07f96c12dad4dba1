"""Opening of a page in the browser without a login link in the process list, which all users of a machine can read.

The browser is given a file that leads to the link (0600, in the state directory), as Jupyter does it with its token. It
is removed as soon as it was read, at the latest with the link, which works once and for a minute.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

from .. import private_files
from ..config import program_environment, state_dir

LINK_S = 60.0
"""Lifetime of a login link in seconds."""
READ_S = 3.0
"""Seconds that an ending program waits for the browser to read the file."""
POLL_S = 0.05
_NAME = re.compile(r"[0-9a-f]{24}\.html")
_PAGE = """<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={url}"><title>Clawdbot</title></head>
<body><p><a href="{url}">Clawdbot</a></p></body></html>
"""


def open_page(url: str, *, browser: str = "", stays: bool = False) -> bool:
    """Open ``url`` in ``browser``, or in the one that the system has; ``False`` where there is none, or where the file
    cannot be written. ``stays``: this program runs on, and need not wait for the browser when it ends."""
    import webbrowser

    try:
        file = _write(url)
    except OSError:
        return False
    try:
        with _no_secrets():
            chosen = webbrowser.get(browser or None)
            opened = chosen.open(file.as_uri())
    except webbrowser.Error:
        opened = False
    if not opened:
        file.unlink(missing_ok=True)
        return False
    timer = threading.Timer(LINK_S, file.unlink, kwargs={"missing_ok": True})
    timer.daemon = True
    timer.start()
    atexit.register(_remove, file, 0.0 if stays else READ_S)
    return True


def _write(url: str) -> Path:
    folder = state_dir() / "jupyter" / "open"
    private_files.make_directory(folder)
    for old in folder.iterdir():  # of a program that was killed, or whose browser took its time
        with contextlib.suppress(FileNotFoundError):  # nothing but ours, should the folder be a link to somewhere
            if _NAME.fullmatch(old.name) and time.time() - old.stat().st_mtime > LINK_S:
                old.unlink()
    file = folder / f"{os.urandom(12).hex()}.html"
    private_files.create(file, _PAGE.format(url=escape(url)).encode())
    return file


def _remove(file: Path, patience_s: float) -> None:
    """Remove the file at the end of the program. Where access times are not recorded, a possibly unread file stays
    until the next program opens a page; its link has expired by then."""
    ends = time.monotonic() + patience_s
    with contextlib.suppress(FileNotFoundError):
        while not _was_read(file) and time.monotonic() < ends:
            time.sleep(POLL_S)
        if _was_read(file) or not patience_s:
            file.unlink()


def _was_read(file: Path) -> bool:
    facts = file.stat()
    return facts.st_atime_ns > facts.st_mtime_ns


@contextlib.contextmanager
def _no_secrets() -> Iterator[None]:
    """Remove secrets from the environment while a browser starts, which inherits it."""
    kept = {name: os.environ.pop(name) for name in set(os.environ) - set(program_environment())}
    try:
        yield
    finally:
        os.environ.update(kept)

"""Standard input of ``clawdbot agent`` where it is no terminal: part of the message, or a file that goes with it."""

from __future__ import annotations

import os
import sys
import threading
from typing import NamedTuple

import click

from ..text_decoding import decode, is_text
from . import exit_codes
from .printing import fail, say

MOST_CHARACTERS = 200_000
"""Of text inside the message; a longer one goes along as a file, which the gateway shortens for the model."""
MOST_BYTES = 1 << 28
CHUNK = 1 << 16
NAME = "stdin"
"""Of the file; what it is, the gateway finds out from its content."""


class Piped(NamedTuple):
    """Input of a command: a text, or else a file as a name and its content, or neither."""

    text: str = ""
    file: tuple[str, bytes] | None = None


def read(timeout_s: float) -> Piped:
    """Read to the end. Exits with ``INTERRUPTED`` where there is none in time: who started this keeps the pipe open."""
    if sys.stdin is None or sys.stdin.isatty():
        return Piped()
    data = bytearray()
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(data, ended), name="standard input", daemon=True)
    reader.start()
    if not ended.wait(timeout_s):
        fail(say("agent.stdinTimeout", seconds=f"{timeout_s:g}"))
        raise click.exceptions.Exit(exit_codes.INTERRUPTED)
    if len(data) > MOST_BYTES:
        raise click.UsageError(say("agent.stdinLong", most=f"{MOST_BYTES >> 20} MB"))
    return of_bytes(bytes(data))


def _read(data: bytearray, ended: threading.Event) -> None:
    """By the descriptor itself: a thread inside Python's own buffer would hold the program up at its end."""
    try:
        number = sys.stdin.fileno()
    except OSError:  # not a file of the system
        data += sys.stdin.buffer.read()
    else:
        try:
            while len(data) <= MOST_BYTES and (piece := os.read(number, CHUNK)):
                data += piece
        except OSError:  # a folder, or not open for reading
            data.clear()
    ended.set()


def of_bytes(data: bytes) -> Piped:
    """Decode as an attachment would be; what is no text, or a long one, becomes a file."""
    if not data.strip():
        return Piped()
    if is_text(data[:CHUNK]):
        text = decode(data).text.replace("\0", "\ufffd").rstrip("\n")
        if len(text) <= MOST_CHARACTERS:
            return Piped(text)
        return Piped(file=(f"{NAME}.txt", data))
    return Piped(file=(NAME, data))

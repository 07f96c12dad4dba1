"""PostgreSQL's failures as the store's: what passes and is worth another try, what is full, what is damaged.

Decided by SQLSTATE (Appendix A of PostgreSQL's manual). No text of psycopg is handed on that may repeat the address, in
which the password is: of a failure of the connection only the server's own word is.
"""

from __future__ import annotations

import errno
import re

import psycopg

from ...protocol import errors
from ..failures import StoreDamaged
from .connection import NotUsable

AGAIN = frozenset({"40001", "40P01", "23505"})
"""Failures of a transaction that another one was in the way of: it is carried out again. A unique key that was taken a
moment ago is there to be read the second time."""

_AWAY = ("08", "57P01", "57P02", "57P03", "57P04", "57P05", "53300", "25006", "25P03")
"""The connection failed, or the server goes, comes, is full of connections, or is one that only reads."""


_WORDS = re.compile(
    r"(?:FATAL|ERROR): +[^\n]+|Connection refused|Connection timed out|timeout expired|could not translate host name"
    r"|No such file or directory|No route to host|Network is unreachable|Connection reset by peer"
    r"|server closed the connection unexpectedly|server does not support SSL"
)


def away(detail: str = "no answer") -> errors.Unavailable:
    """The failure of an access while the database server cannot be reached."""
    return errors.Unavailable(f"the database cannot be reached: {detail}", reason="STORAGE_AWAY", detail=detail)


def fenced() -> errors.Unavailable:
    """The failure of a write of a gateway whose sessions another one has taken over."""
    return errors.Unavailable("another gateway has taken over the database", reason="FENCED")


def is_away(error: psycopg.Error) -> bool:
    """Whether the connection is what failed."""
    state = error.sqlstate or ""
    return state.startswith(_AWAY) or (
        not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    )


def explain(error: Exception, where: str) -> Exception:
    """Translate psycopg's errors into the store's; other errors, and bugs, stay as they are."""
    if isinstance(error, NotUsable):
        return StoreDamaged(where, error.detail)
    if not isinstance(error, psycopg.Error):
        return error if isinstance(error, errors.GatewayError) else _of_program(error)
    state, said = error.sqlstate or "", _said(error)
    if is_away(error):
        return away(said)
    if state.startswith(("28", "3D")):
        return StoreDamaged(where, said)  # no such user, password or database
    if state == "53100":
        return errors.StorageFull("the disk of the database server is full")
    if state in AGAIN or state in ("55P03", "57014"):  # a lock, or a statement, that took too long
        return errors.Unavailable("the database is busy", reason="STORAGE_BUSY", detail=said)
    if state.startswith(("53", "58")):
        return errors.Unavailable("the database server does not take writes", reason="STORAGE_ERROR", detail=said)
    if state.startswith("XX") or state in ("42P01", "42703", "42883", "42501"):  # tables are missing, or not for us
        return StoreDamaged(where, said)
    if state.startswith("54"):
        return errors.TooLarge(f"cannot be stored: {said}")
    if state.startswith("22") or isinstance(error, psycopg.DataError):
        return errors.InvalidRequest(f"cannot be stored: {said}")
    return error


def _of_program(error: Exception) -> Exception:
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return errors.InvalidRequest(f"cannot be stored: {error}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.StorageFull("the disk of the database server is full")
    if isinstance(error, OSError):
        said = error.strerror or type(error).__name__
        return errors.Unavailable("the database server does not take writes", reason="STORAGE_ERROR", detail=said)
    return error


def _said(error: psycopg.Error) -> str:
    """The server's own word; of a connection that was not made, what is known to repeat nothing of the address."""
    if error.diag.message_primary:
        return error.diag.message_primary
    found = _WORDS.search(str(error))
    return " ".join(found[0].split()) if found else type(error).__name__

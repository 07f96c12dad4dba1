"""The address of a database, as people may see it. Without psycopg, which may not be installed."""

from __future__ import annotations


def place_of(url: str) -> str:
    """An address without what may be secret in it: user, password and options."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"

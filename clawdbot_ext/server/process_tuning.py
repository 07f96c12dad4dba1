"""Tuning of the standalone server's process: a faster import of ``jupyter_server``, and garbage collection.

Called by the standalone server only, never by the extension inside a Lab, since it changes the whole process.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import re
import sys
import types
from typing import Any

_IRI, _URI, _DURATION, _DATE = "rfc3987_syntax", "rfc3986_validator", "isoduration", "dateutil.parser"
_PLAIN_URI = re.compile(r"https?://[a-z0-9.-]+(?:/[A-Za-z0-9._-]+)*")
"""Addresses that need no further check, such as the names of Jupyter's event schemas."""

GC_THRESHOLDS = (50_000, 50, 1000)
"""With 5,000 connections a broadcast takes 190 ms with these and 440 ms with the default."""


def before_imports() -> None:
    """Prepare the process before ``jupyter_server`` is imported: the start is 1 s faster and takes 16 MB less.

    Nothing is collected until ``freeze_gc``: imports make next to no garbage, and looking for it is 7 % of a start."""
    gc.set_threshold(*GC_THRESHOLDS)
    gc.disable()
    _load_at_first_use(_IRI, "is_valid_syntax")
    _load_at_first_use(_DATE, "isoparse")
    if (uris := _load_at_first_use(_URI, "validate_rfc3986")) is not None:
        _know_plain_uris(uris)
    if (durations := _load_at_first_use(_DURATION, "parse_duration")) is not None:
        _name_errors_of_durations(durations)


def freeze_gc() -> None:
    """Exempt everything loaded so far from garbage collection, which begins now; called when the server answers.

    Without a collection before, which would stop the loop for 50 ms for 2,000 objects.
    """
    gc.freeze()
    gc.enable()


def without_git() -> None:
    """Keep Jupyter Server from running ``git``, and waiting for it, to find the commit that it is of: it does so where
    any folder above it is a repository, as of a home directory under version control. Its page would show it."""
    from jupyter_server import _sysinfo

    _sysinfo.pkg_commit_hash = lambda pkg_path: ("", "")


def _load_at_first_use(name: str, function: str) -> types.ModuleType | None:
    """Put a module that loads itself late in the place of module ``name``; ``function`` is what ``jsonschema`` takes.

    ``jsonschema`` imports a module for each of its formats, most of which no schema of Jupyter's start uses:
    ``rfc3987_syntax`` compiles 35 grammars, which takes 0.94 s (jupyter_server issue 1559), ``rfc3986_validator`` a
    large expression, and ``isoduration`` brings ``arrow``. The stand-in gives way to the real module at the first real
    check. To be removed when ``jsonschema`` imports them lazily itself. ``importlib.util.LazyLoader`` does not work
    here, because the ``from … import`` in ``jsonschema`` loads at once. ``dateutil.parser`` is what ``jupyter_client``
    reads the dates of a kernel's messages with.
    """
    spec = importlib.util.find_spec(name) if name not in sys.modules else None
    if spec is None:
        return None
    stand_in = types.ModuleType(name, "Loads the real module at the first use.")
    stand_in.__spec__, stand_in.__file__ = spec, spec.origin
    stand_in.__path__ = spec.submodule_search_locations or []

    def real() -> types.ModuleType:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return importlib.import_module(name)

    def late(*args: Any, **kwargs: Any) -> Any:
        return getattr(real(), function)(*args, **kwargs)

    def module_getattr(attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system and inspect ask every module for such names
            raise AttributeError(attribute)
        return getattr(real(), attribute)

    stand_in.__dict__.update({function: late, "__getattr__": module_getattr})
    sys.modules[name] = stand_in
    return stand_in


def _know_plain_uris(stand_in: types.ModuleType) -> None:
    """Have the stand-in answer for plain addresses itself: each start checks three."""
    late = stand_in.validate_rfc3986

    def validate_rfc3986(url: str, rule: str = "URI") -> Any:
        return _PLAIN_URI.fullmatch(url) or late(url, rule=rule)

    stand_in.__dict__.update(validate_rfc3986=validate_rfc3986)


def _name_errors_of_durations(stand_in: types.ModuleType) -> None:
    """Give the stand-in of ``isoduration`` the exception that ``jsonschema`` names when it is imported."""

    class DurationParsingException(ValueError):
        """The real module's, which is its own class, as it leaves the stand-in."""

    late = stand_in.parse_duration

    def parse_duration(text: str) -> Any:
        try:
            return late(text)
        except importlib.import_module(f"{_DURATION}.parser.exceptions").DurationParsingException as exc:
            raise DurationParsingException(str(exc)) from exc

    stand_in.__dict__.update(DurationParsingException=DurationParsingException, parse_duration=parse_duration)

"""The configuration: settings, files, and how the sources are merged into a ``Config``."""

from __future__ import annotations

from .file import REDACTED, merge, parse, redact, set_value, unset_value, write_raw
from .loading import (
    Config,
    ProviderConfig,
    Source,
    config_path,
    handed_on,
    load,
    program_environment,
    secret_variables,
    snapshot,
    state_dir,
    variables,
)
from .setting_types import ConfigError, Setting
from .settings import SETTINGS
from .validation import find, json_schema, ui_hints

__all__ = [
    "REDACTED",
    "SETTINGS",
    "Config",
    "ConfigError",
    "ProviderConfig",
    "Setting",
    "Source",
    "config_path",
    "find",
    "handed_on",
    "json_schema",
    "load",
    "merge",
    "parse",
    "program_environment",
    "redact",
    "secret_variables",
    "set_value",
    "snapshot",
    "state_dir",
    "ui_hints",
    "unset_value",
    "variables",
    "write_raw",
]

"""``clawdbot_ext/locale/settings.en.json``: the help and units of the settings as a catalogue, for the translations."""

from __future__ import annotations

import json

from clawdbot_ext.config import SETTINGS


def catalogue() -> str:
    """Help by the setting's name, units by ``unit.`` and the English unit."""
    texts = {setting.name: setting.help for setting in SETTINGS}
    units = sorted({setting.unit for setting in SETTINGS if setting.unit})
    return json.dumps({**texts, **{f"unit.{unit}": unit for unit in units}}, indent=2, ensure_ascii=False) + "\n"

"""The table of settings: what is taken, what is refused, and what is suggested instead."""

from __future__ import annotations

from typing import Any

import pytest

from clawdbot_ext.config import SETTINGS, ConfigError, find, json_schema, ui_hints
from clawdbot_ext.config.validation import check, parse_text


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_default_is_a_value_the_setting_takes(setting: Any) -> None:
    assert check(setting.name.replace("<name>", "any"), setting.default) == setting.default


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("gateway.prot", "gateway.port"),
        ("gateway.Port", "gateway.port"),
        ("port", "gateway.port"),
        ("auth.token", "gateway.auth.token"),
        ("gateway.auth.tokn", "gateway.auth.token"),
        ("gateway.tailscale.mod", "gateway.tailscale.mode"),
        ("agents.default.model", "agents.defaults.model"),
        ("models.providers.ollama.baseURL", "models.providers.ollama.baseUrl"),
        ("models.providers.ollama.key", "models.providers.ollama.apiKey"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(name, 1)
    assert caught.value.suggestion == nearest
    assert caught.value.name == name


def test_a_name_that_is_near_nothing_gets_no_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        check("channels.telegram.botToken", "x")
    assert caught.value.suggestion is None


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("gateway.bind", "lop", "loopback"),
        ("gateway.bind", "tail", "tailnet"),
        ("gateway.auth.mode", "pasword", "password"),
        ("agents.defaults.thinking", "hi", "high"),
        ("gateway.port", "18790", "18790"),
        ("gateway.port", 70_000, "65535"),
        ("gateway.port", -1, "0"),
        ("gateway.port", True, None),
        ("gateway.port", 18790.5, None),
        ("gateway.port", None, None),
        ("gateway.port", float("nan"), None),
        ("gateway.auth.token", 123, None),
        ("gateway.auth.token", " leading", None),
        ("gateway.auth.token", "bell\x07", None),
        ("gateway.remote.url", "not an address", None),
        ("gateway.allowedOrigins", ["https://host/path"], None),
        ("gateway.allowedOrigins", "https://host", None),
        ("gateway.allowedHosts", ["https://host"], None),
        ("models.providers.x.models", [{"name": "without an id"}], None),
        ("models.providers.x.models", [{"id": "a", "contextWindow": "huge"}], None),
        ("models.providers.x.models", [{"id": "a", "maxTokens": 0}], None),
        ("models.providers.x.baseUrl", "ftp://x", None),
        ("models.providers.x.baseUrl", "http://[::1:11434", None),
        ("media.audio.baseUrl", "http://127.0.0.1:port", None),
        ("gateway.remote.url", "ws://[::1", None),
        ("gateway.allowedOrigins", ["http://[::1"], None),
        ("session.mainKey", "a:b", None),
    ],
)
def test_a_wrong_value_is_refused_with_the_nearest_right_one(name: str, value: Any, nearest: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        check(name, value)
    assert caught.value.suggestion == nearest


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("gateway.tailscale.mode", "disabled", "off"),
        ("gateway.bind", "auto", "loopback"),
        ("gateway.bind", "LAN", "lan"),
        ("logging.level", "warning", "warn"),
        ("gateway.port", 18790.0, 18790),
        ("gateway.allowedHosts", ["box.example", "[::1]:8443"], ("box.example", "[::1]:8443")),
        ("models.providers.x.models", ["a", {"id": "b"}], ("a", {"id": "b"})),
    ],
)
def test_other_spellings_are_kept_as_the_one(name: str, value: Any, kept: Any) -> None:
    assert check(name, value) == kept


def test_text_of_flags_and_the_environment_is_read_as_the_settings_type() -> None:
    assert parse_text("gateway.port", " 18790 ") == 18790
    assert parse_text("gateway.auth.token", "18790") == "18790"
    assert parse_text("gateway.allowedHosts", "a.example, b.example") == ("a.example", "b.example")
    with pytest.raises(ConfigError):
        parse_text("gateway.port", "many")


def test_an_error_never_shows_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        check("gateway.auth.token", "sk-secret\x00")
    assert "sk-secret" not in str(caught.value)


def test_the_json_schema_has_every_setting_and_nothing_else() -> None:
    def walk(node: dict[str, Any], prefix: str) -> set[str]:
        if node.get("type") != "object" or "properties" not in node:
            return {prefix[:-1]}
        found = set()
        assert node["additionalProperties"] is False or not node["properties"]
        for key, child in node["properties"].items():
            found |= walk(child, f"{prefix}{key}.")
        if isinstance(node["additionalProperties"], dict):
            found |= walk(node["additionalProperties"], f"{prefix}<name>.")
        return found

    assert walk(json_schema(), "") == {setting.name for setting in SETTINGS}


def test_the_forms_hints_mark_exactly_the_secrets() -> None:
    sensitive = {name for name, hint in ui_hints().items() if hint.get("sensitive")}
    assert sensitive == {s.name.replace("<name>", "*") for s in SETTINGS if s.secret}
    assert "gateway.auth.token" in sensitive


def test_a_providers_name_is_one_plain_word() -> None:
    assert find("models.providers.lm-studio_2.baseUrl") is not None
    assert find("models.providers.a b.baseUrl") is None
    assert find("models.providers.a.b.baseUrl") is None

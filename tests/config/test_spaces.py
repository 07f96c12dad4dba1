"""The configuration of a user's space: whose value of a setting holds."""

from __future__ import annotations

import json

import pytest

from clawdbot_ext.config import ConfigError, load, snapshot
from clawdbot_ext.config.settings import SETTINGS
from clawdbot_ext.config.spaces import load_space
from clawdbot_ext.config.validation import check

SLUG = "u_alice_0"


@pytest.fixture
def space(tmp_path):
    """Load alice's configuration with an operator's file, environment and a file of her own."""

    def loaded(operator=None, own=None, groups=(), env=None):
        state, home = tmp_path / "state", tmp_path / SLUG
        for path, tree in ((state / "jupyter" / "config.json", operator or {}), (home / "config.json", own or {})):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
        return load_space(load({"CLAWDBOT_STATE_DIR": str(state), **(env or {})}), "alice", groups, home, SLUG)

    return loaded


def tree(name, value):
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def test_a_user_sets_what_a_client_may(space):
    config = space(tree("agents.defaults.maxTokens", 1000), tree("agents.defaults.maxTokens", 2000))
    assert config["agents.defaults.maxTokens"] == 2000 and config.source("agents.defaults.maxTokens") == "file"


def test_the_operators_value_is_the_default(space):
    config = space(tree("agents.defaults.maxTokens", 1000))
    assert config["agents.defaults.maxTokens"] == 1000 and config.source("agents.defaults.maxTokens") == "operator"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("models.allowed", ["claude-opus-5"]),
        ("policy.disabled", []),
        ("media.audio.command", ["sh", "-c", "id"]),
        ("media.audio.baseUrl", "http://169.254.169.254/"),
        ("models.providers.anthropic.baseUrl", "http://evil.example/"),
        ("models.providers.anthropic.models", [{"id": "claude-opus-5-5", "cost": {"input": 0, "output": 0}}]),
        ("limits.monthlyCost", 1_000),
        ("models.providers.mine.baseUrl", "http://evil.example/"),
        ("models.providers.mine.apiKey", "sk-mine"),
        ("storage.url", "postgresql://evil.example/"),
        ("users.allowed", ["eve"]),
        ("gateway.auth.token", "t" * 40),
        ("logging.level", "debug"),
    ],
)
def test_a_user_cannot_set_what_is_the_operators(space, name, value):
    untouched, config = space(), space(own=tree(name, value))
    assert config.value(name) == untouched.value(name) and config.source(name) == untouched.source(name)


def test_an_own_key_comes_before_the_operators(space):
    name = "models.providers.anthropic.apiKey"
    env = {"ANTHROPIC_API_KEY": "sk-shared"}
    assert space(env=env)[name] == "sk-shared"
    assert space(own=tree(name, "sk-own"), env=env)[name] == "sk-own"


def test_settings_of_users_come_first_by_name_then_group_then_everybody(space):
    given = {
        "*": {"agents.defaults.maxTokens": 1, "models.allowed": ["haiku"]},
        "@b": {"agents.defaults.maxTokens": 3},
        "@a": {"agents.defaults.maxTokens": 2},
        "alice": {"ui.locale": "ko"},
        "bob": {"ui.locale": "en"},
    }
    config = space({"users": {"settings": given}}, tree("agents.defaults.maxTokens", 9), groups={"a", "b"})
    assert config["agents.defaults.maxTokens"] == 3 and config["ui.locale"] == "ko"
    assert config["models.allowed"] == ("haiku",)


def test_the_operators_secrets_are_not_in_a_space(space):
    operator = {
        "gateway": {"auth": {"token": "t" * 40}, "remote": {"token": "r" * 40}, "trustedProxies": ["127.0.0.1"]},
        "users": {"from": "headers", "secret": "s" * 40, "settings": {"bob": tree_flat("sk-bob")}},
        "models": {"providers": {"anthropic": {"apiKey": "sk-operator"}}},
    }
    config = space(operator)
    shown = json.dumps(snapshot(config))
    kept = {str(config.value(name)) for name in config.names()}
    assert not any(secret in shown for secret in ("ttt", "rrr", "sss", "sk-bob", "sk-operator"))
    assert not {"t" * 40, "r" * 40, "s" * 40} & kept
    assert not config["users.settings"]


def tree_flat(key):
    return {"models.providers.anthropic.apiKey": key}


def test_the_operators_own_view_hides_the_keys_of_users(tmp_path):
    path = tmp_path / "jupyter" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"users": {"settings": {"bob": tree_flat("sk-bob")}}}))
    assert "sk-bob" not in json.dumps(snapshot(load({"CLAWDBOT_STATE_DIR": str(tmp_path)})))


def test_attachments_of_a_space_have_a_place_of_their_own(space):
    assert (
        space({"storage": {"media": {"url": "file:///mnt/media/"}}})["storage.media.url"] == f"file:///mnt/media/{SLUG}"
    )


def test_a_broken_file_of_the_user_says_nothing(space):
    assert space(own="{")["agents.defaults.maxTokens"] == 16_384
    wrong = {**tree("agents.defaults.maxTokens", "many"), "ui": {"locale": "ko"}}
    assert space(own=wrong)["ui.locale"] == "ko"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"alice": {"gateway.port": 1}}, "users.settings.alice.gateway.port"),
        ({"alice": {"models.alowed": []}}, "users.settings.alice.models.alowed"),
        ({"alice": ["models.allowed"]}, "users.settings.alice"),
        ({"@": {}}, "users.settings"),
        (["alice"], "users.settings"),
    ],
)
def test_wrong_settings_of_users_are_refused_by_name(space, given, name):
    with pytest.raises(ConfigError) as refused:
        space({"users": {"settings": given}})
    assert refused.value.name == name


VALUES = {
    "gateway.auth.token": "t" * 40,
    "gateway.auth.password": "p" * 40,
    "gateway.trustedProxies": ["10.0.0.0/8"],
    "gateway.controlUi.basePath": "/x",
    "gateway.remote.url": "http://evil.example",
    "gateway.remote.tlsFingerprint": ":".join(["AB"] * 32),
    "gateway.allowedOrigins": ["https://evil.example"],
    "gateway.allowedHosts": ["evil.example"],
    "gateway.auth.owners": ["eve@evil.example"],
    "gateway.customBindHost": "10.0.0.1",
    "gateway.tls.certPath": "/x",
    "gateway.tls.keyPath": "/x",
    "storage.url": "postgresql://evil.example/x",
    "storage.media.url": "file:///x",
    "storage.media.endpoint": "https://evil.example",
    "users.secret": "s" * 40,
    "users.header": "X-Evil",
    "users.groupsHeader": "X-Evil",
    "users.signOutUrl": "/x",
    "users.directory": "/x",
    "users.settings": {"*": {"limits.monthlyTokens": 1}},
    "models.providers.mine.baseUrl": "http://evil.example",
    "media.audio.baseUrl": "http://evil.example",
    "policy.disabled": ["export"],
}


def another(setting, name):
    """A right value of a setting that is not its default."""
    if name in VALUES:
        return VALUES[name]
    if setting.choices:
        return next(choice for choice in setting.choices if choice != setting.default)
    if setting.type in ("integer", "number"):
        return (setting.minimum or 0) + 1
    return {"boolean": not setting.default, "strings": ["evil"], "string": "evil"}[setting.type]


def test_no_setting_is_a_users_own_unless_a_client_may_change_it(space):
    names = {
        setting.name.replace("<name>", "mine"): setting
        for setting in SETTINGS
        if setting.by != "client" and setting.type != "models" and len(setting.choices or "..") > 1
    }
    own: dict = {}
    for name, setting in names.items():
        value = another(setting, name)
        assert check(name, value) is not None and value != setting.default, name
        branch, parts = own, name.split(".")
        for part in parts[:-1]:
            branch = branch.setdefault(part, {})
        branch[parts[-1]] = value
    untouched, config = space(), space(own=own)
    for name in names:
        assert (config.value(name), config.source(name)) == (untouched.value(name), untouched.source(name)), name
    assert config.providers() == untouched.providers()

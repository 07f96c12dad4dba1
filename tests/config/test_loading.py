"""The value in force when several sources give one, and what is read from Clawdbot's own file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clawdbot_ext import config
from clawdbot_ext.config import REDACTED, ConfigError


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"CLAWDBOT_STATE_DIR": str(tmp_path), "HOME": str(tmp_path / "home")}


def ours(env: dict[str, str], tree: Any) -> None:
    path = Path(env["CLAWDBOT_STATE_DIR"]) / "jupyter" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(tree))


def theirs(env: dict[str, str], text: str) -> Path:
    path = Path(env["CLAWDBOT_STATE_DIR"]) / "clawdbot.json"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold_and_nothing_is_created(tmp_path: Path) -> None:
    loaded = config.load({"CLAWDBOT_STATE_DIR": str(tmp_path / "absent")})
    assert loaded["gateway.port"] == 18789
    assert loaded["gateway.bind"] == "loopback"
    assert loaded.source("gateway.port") == "default"
    assert loaded.home == tmp_path / "absent" / "jupyter"
    assert loaded.path == loaded.home / "config.json"
    assert not (tmp_path / "absent").exists()


def test_the_state_directory_is_in_the_home_directory_by_default(tmp_path: Path) -> None:
    assert config.state_dir({"HOME": str(tmp_path)}) == tmp_path / ".clawdbot"
    assert config.state_dir({"CLAWDBOT_STATE_DIR": "relative"}).is_absolute()


def test_the_strongest_source_wins(env: dict[str, str]) -> None:
    def now(**more: Any) -> tuple[int, str]:
        loaded = config.load(env, **more)
        return loaded["gateway.port"], loaded.source("gateway.port")

    theirs(env, "{gateway: {port: 1}}")
    assert now() == (1, "clawdbot.json")
    ours(env, {"gateway": {"port": 2}})
    assert now() == (2, "file")
    assert now(traits={"gateway.port": 3}) == (3, "traits")
    env["JUPYTER_PORT"] = "4"
    assert now(traits={"gateway.port": 3}) == (4, "env")
    env["CLAWDBOT_GATEWAY_PORT"] = "5"
    assert now(traits={"gateway.port": 3}) == (5, "env")
    assert now(traits={"gateway.port": 3}, flags={"gateway.port": "6"}) == (6, "flag")
    assert now(flags={"gateway.port": None}) == (5, "env")


def test_empty_variables_count_as_not_set(env: dict[str, str]) -> None:
    assert config.load({**env, "CLAWDBOT_GATEWAY_TOKEN": "", "JUPYTER_PORT": " "}).source("gateway.port") == "default"


def test_a_wrong_variable_is_named(env: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load({**env, "CLAWDBOT_GATEWAY_PORT": "many"})
    assert caught.value.name == "$CLAWDBOT_GATEWAY_PORT"


def test_a_wrong_file_is_an_error_with_a_suggestion(env: dict[str, str]) -> None:
    ours(env, {"gateway": {"prot": 1}})
    with pytest.raises(ConfigError) as caught:
        config.load(env)
    assert caught.value.suggestion == "gateway.port"


def test_unknown_names_are_key_errors_and_providers_settings_have_defaults(env: dict[str, str]) -> None:
    loaded = config.load(env)
    with pytest.raises(KeyError, match=r"gateway\.port"):
        loaded["gateway.prot"]
    with pytest.raises(KeyError):
        loaded.source("gateway.prot")
    assert loaded["models.providers.any.api"] == "anthropic-messages"


# -- providers --------------------------------------------------------------------------------------------------------
def test_the_key_in_the_environment_is_anthropics(env: dict[str, str]) -> None:
    env |= {"ANTHROPIC_API_KEY": "sk-env", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}
    assert config.load({"CLAWDBOT_STATE_DIR": env["CLAWDBOT_STATE_DIR"]}).providers() == {}
    provider = config.load(env).providers()["anthropic"]
    assert (provider.api_key, provider.base_url, provider.api) == ("sk-env", "http://127.0.0.1:1", "anthropic-messages")
    assert "sk-env" not in repr(provider)
    assert "sk-env" not in repr(config.load(env))


def test_providers_come_from_all_sources(env: dict[str, str]) -> None:
    theirs(
        env,
        json.dumps(
            {
                "models": {
                    "providers": {
                        "lm": {
                            "api": "anthropic-messages",
                            "baseUrl": "http://lm:1",
                            "models": [{"id": "m1", "contextWindow": 8192}],
                        },
                        "openai": {"api": "openai-responses", "apiKey": "sk-other"},
                    }
                }
            }
        ),
    )
    ours(env, {"models": {"providers": {"ollama": {"baseUrl": "http://localhost:11434"}, "lm": {"apiKey": "k"}}}})
    found = config.load(env).providers()
    assert set(found) == {"ollama", "lm"}
    assert found["lm"].base_url == "http://lm:1"
    assert found["lm"].api_key == "k"
    assert found["lm"].models == ({"id": "m1", "contextWindow": 8192},)


# -- who may log in ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "variables", "flags", "mode"),
    [
        ({}, {}, {}, "token"),
        ({"password": "p"}, {}, {}, "password"),
        ({"password": "p", "token": "t"}, {}, {}, "password"),
        ({"password": "p", "mode": "token"}, {}, {}, "token"),
        ({"password": "p"}, {"CLAWDBOT_GATEWAY_TOKEN": "t"}, {}, "token"),
        ({"password": "p", "mode": "password"}, {"CLAWDBOT_GATEWAY_TOKEN": "t"}, {}, "password"),
        ({"password": "p", "mode": "password"}, {}, {"gateway.auth.token": "t"}, "token"),
        ({"token": "t"}, {}, {"gateway.auth.password": "p"}, "password"),
        ({"token": "t"}, {}, {"gateway.auth.password": "p", "gateway.auth.mode": "token"}, "token"),
    ],
)
def test_the_mode_is_that_of_the_secret_that_was_given(
    env: dict[str, str], file: Any, variables: Any, flags: Any, mode: str
) -> None:
    ours(env, {"gateway": {"auth": file}} if file else {})
    assert config.load({**env, **variables}, flags=flags)["gateway.auth.mode"] == mode


# -- Clawdbot's own file ----------------------------------------------------------------------------------------------
FOREIGN = """{
  // as Clawdbot's wizard leaves it
  meta: {lastTouchedVersion: '2026.1.24-3'}, wizard: {lastRunCommand: 'onboard'},
  channels: {telegram: {botToken: 'x'}},
  gateway: {mode: 'local', port: 19000, bind: 'lan', auth: {mode: 'token', token: '${TOKEN_HERE}'},
            remote: {url: 'ws://far:1'}, tailscale: {mode: 'serve'}},
  agents: {defaults: {model: {primary: 'anthropic/claude-opus-4-5', fallbacks: []}, workspace: '~/clawd'}},
}"""


def test_clawdbots_file_gives_defaults_and_is_never_an_obstacle(env: dict[str, str]) -> None:
    path = theirs(env, FOREIGN)
    loaded = config.load({**env, "TOKEN_HERE": "abc"})
    assert loaded["gateway.port"] == 19000
    assert loaded["gateway.auth.token"] == "abc"
    assert loaded["agents.defaults.model"] == "anthropic/claude-opus-4-5"
    assert loaded["gateway.bind"] == "loopback", "how far Clawdbot opens itself is not our default"
    assert loaded["gateway.remote.url"] == "", "Clawdbot, too, ignores it in mode local"
    assert loaded.source("gateway.auth.token") == "clawdbot.json"
    assert config.load(env)["gateway.auth.token"] == "", "its variable is not set"
    assert path.read_text() == FOREIGN


@pytest.mark.parametrize(
    "text",
    [
        "{not json",
        "[]",
        '{"gateway": 5}',
        '{"gateway": {"port": "x", "auth": []}}',
        '{"models": {"providers": []}}',
        '{"agents": {"defaults": {"model": {"primary": 3}}}}',
        '{"models": {"providers": {"a b": {}, "x": 1}}}',
        "",
    ],
)
def test_a_broken_or_foreign_file_of_clawdbots_is_skipped(env: dict[str, str], text: str) -> None:
    theirs(env, text)
    assert config.load(env)["gateway.port"] == 18789


def test_what_could_not_be_used_of_it_is_noted(env: dict[str, str]) -> None:
    theirs(env, '{"gateway": {"port": "x", "auth": {"token": "t"}}}')
    loaded = config.load(env)
    assert [note.name for note in loaded.notes] == ["clawdbot.json: gateway.port"]
    assert loaded["gateway.auth.token"] == "t"


def test_a_model_that_only_clawdbot_can_ask_is_no_default_here(env: dict[str, str]) -> None:
    theirs(env, '{"agents": {"defaults": {"model": "openai/gpt-5.2"}}}')
    assert config.load(env)["agents.defaults.model"] == ""


def test_clawdbots_remote_gateway_is_used_in_its_remote_mode(env: dict[str, str]) -> None:
    theirs(env, '{"gateway": {"mode": "remote", "remote": {"url": "ws://far:18789", "token": "t"}}}')
    loaded = config.load(env)
    assert (loaded["gateway.remote.url"], loaded["gateway.remote.token"]) == ("ws://far:18789", "t")


def test_a_config_path_that_is_clawdbots_own_file_is_never_ours_to_write(env: dict[str, str], tmp_path: Path) -> None:
    foreign = tmp_path / "elsewhere" / "clawdbot.json"
    foreign.parent.mkdir()
    foreign.write_text('{"gateway": {"port": 19001}}')
    loaded = config.load({**env, "CLAWDBOT_CONFIG_PATH": str(foreign)})
    assert loaded["gateway.port"] == 19001
    assert loaded.path == loaded.home / "config.json"
    mine = tmp_path / "elsewhere" / "mine.json5"
    assert config.load({**env, "CLAWDBOT_CONFIG_PATH": str(mine)}).path == mine


# -- what clients are shown -------------------------------------------------------------------------------------------
def test_the_snapshot_shows_values_and_sources_but_no_secret(env: dict[str, str]) -> None:
    ours(env, {"gateway": {"port": 18790, "auth": {"token": "sk-file"}}})
    shown = config.snapshot(config.load({**env, "ANTHROPIC_API_KEY": "sk-env"}))
    assert "sk-" not in json.dumps(shown)
    assert (shown["valid"], shown["issues"], shown["exists"]) == (True, [], True)
    assert shown["parsed"] == {"gateway": {"port": 18790, "auth": {"token": REDACTED}}}
    assert json.loads(shown["raw"]) == shown["parsed"]
    assert shown["config"]["models"]["providers"]["anthropic"]["apiKey"] == REDACTED
    assert shown["config"]["gateway"]["tickIntervalMs"] == 30_000
    assert shown["sources"]["models.providers.anthropic.apiKey"] == "env"


def test_the_snapshot_of_a_file_broken_since_says_what_is_wrong(env: dict[str, str]) -> None:
    ours(env, {})
    loaded = config.load(env)
    ours(env, {"gateway": {"prot": 1, "bind": "x"}})
    shown = config.snapshot(loaded)
    assert not shown["valid"]
    assert [issue["path"] for issue in shown["issues"]] == ["gateway.prot", "gateway.bind"]
    loaded.path.write_text("{gateway: {auth: {token: 'sk-broken'")
    shown = config.snapshot(loaded)
    assert shown["raw"] is None
    assert "sk-broken" not in json.dumps(shown)


def test_comments_are_not_shown_since_one_may_hold_a_secret(env: dict[str, str]) -> None:
    path = Path(env["CLAWDBOT_STATE_DIR"]) / "jupyter" / "config.json"
    path.parent.mkdir()
    path.write_text("{gateway: {port: 1 /* token: 'sk-old' */}}")
    assert "sk-old" not in json.dumps(config.snapshot(config.load(env)))


def test_importing_the_configuration_loads_nothing_heavy() -> None:
    heavy = ("jupyter_server", "anthropic", "msgspec", "json5", "tornado", "asyncio")
    modules = "clawdbot_ext.config, clawdbot_ext.runtime.server_info"
    code = f"import {modules}, sys; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"

"""The configuration file on disk: JSON5 in, atomic and private out, secrets kept and never shown."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawdbot_ext import config
from clawdbot_ext.config import REDACTED, ConfigError, set_value
from clawdbot_ext.config.file import parse, read, take_back
from clawdbot_ext.config.file import values as values_of
from clawdbot_ext.config.loading import snapshot
from clawdbot_ext.protocol.errors import Stale


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "jupyter" / "config.json"


def tree(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_a_setting_is_written_private_in_private_directories(path: Path) -> None:
    config.set_value(path, "gateway.auth.token", "secret")
    assert tree(path) == {"gateway": {"auth": {"token": "secret"}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}
    assert [file.name for file in path.parent.iterdir() if file.suffix not in (".json", ".lock")] == []


def test_setting_and_unsetting_leaves_the_rest_alone(path: Path) -> None:
    config.set_value(path, "gateway.port", 18790)
    config.set_value(path, "gateway.auth.token", "t")
    config.set_value(path, "models.providers.ollama.baseUrl", "http://localhost:11434")
    config.unset_value(path, "gateway.port")
    assert tree(path) == {
        "gateway": {"auth": {"token": "t"}},
        "models": {"providers": {"ollama": {"baseUrl": "http://localhost:11434"}}},
    }
    config.unset_value(path, "models.providers.ollama")
    assert tree(path) == {"gateway": {"auth": {"token": "t"}}}


def test_unsetting_what_is_not_set_changes_nothing_and_a_wrong_name_is_refused(path: Path) -> None:
    before = config.set_value(path, "gateway.port", 18790)
    assert config.unset_value(path, "gateway.bind") == before
    with pytest.raises(ConfigError) as caught:
        config.unset_value(path, "gateway.prot")
    assert caught.value.suggestion == "gateway.port"


def test_an_object_of_settings_is_merged(path: Path) -> None:
    config.set_value(path, "gateway.auth.token", "t")
    config.set_value(path, "gateway.auth", {"mode": "token"})
    assert tree(path) == {"gateway": {"auth": {"token": "t", "mode": "token"}}}
    with pytest.raises(ConfigError, match="is a group of settings"):
        config.set_value(path, "gateway.auth", "t")


@pytest.mark.parametrize(
    "patch", [{"gateway": {"prot": 1}}, {"gateway": {"port": "x"}}, {"channels": {}, "x": 1}, ["a"]]
)
def test_a_wrong_patch_changes_nothing(path: Path, patch: Any) -> None:
    before = config.set_value(path, "gateway.port", 18790)
    with pytest.raises(ConfigError):
        config.merge(path, patch, base_hash=None)
    assert read(path).hash == before


def test_null_in_a_patch_removes(path: Path) -> None:
    config.set_value(path, "gateway.port", 18790)
    config.merge(path, {"gateway": {"port": None}, "session": {"maxQueued": 3}}, base_hash=None)
    assert tree(path) == {"session": {"maxQueued": 3}}


def test_a_change_based_on_an_older_state_is_refused(path: Path) -> None:
    old = config.set_value(path, "gateway.port", 18790)
    new = config.set_value(path, "gateway.port", 18791)
    for write in (
        lambda: config.merge(path, {"gateway": {"port": 1}}, base_hash=old),
        lambda: config.write_raw(path, "{}", base_hash=old),
    ):
        with pytest.raises(Stale):
            write()
    assert config.write_raw(path, "{gateway: {port: 18792}}", base_hash=new) == read(path).hash


def test_the_first_write_is_guarded_by_the_hash_of_nothing(path: Path) -> None:
    nothing = read(path).hash
    config.write_raw(path, "{}", base_hash=nothing)
    with pytest.raises(Stale):
        config.write_raw(path, "{session: {maxQueued: 1}}", base_hash=nothing)


def test_json5_is_taken_and_kept_as_it_was_written(path: Path) -> None:
    raw = "// mine\n{gateway: {port: 18790,}, /* two */ session: {mainKey: 'home'}}"
    config.write_raw(path, raw, base_hash=None)
    assert path.read_text("utf-8") == raw
    assert values_of(read(path).tree or {}) == {"gateway.port": 18790, "session.mainKey": "home"}


def test_a_file_with_comments_is_copied_before_it_is_rewritten(path: Path) -> None:
    raw = "{gateway: {port: 18790}} // mine"
    config.write_raw(path, raw, base_hash=None)
    config.set_value(path, "session.maxQueued", 5)
    backup = path.with_name("config.json.bak")
    assert backup.read_text("utf-8") == raw
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("{gateway:", "not JSON5"),
        ("[1]", "must be an object"),
        ("{a: 1, a: 2}", "not JSON5"),
        ("[" * 100_000, "not JSON5"),
    ],
)
def test_what_is_no_object_of_settings_is_refused_with_a_reason(path: Path, raw: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        config.write_raw(path, raw, base_hash=None)
    assert not path.exists()


def test_dotted_keys_are_explained(path: Path) -> None:
    with pytest.raises(ConfigError, match="nested objects"):
        config.write_raw(path, '{"gateway.port": 18790}', base_hash=None)


def test_a_broken_file_is_not_overwritten_by_a_single_setting(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("{gateway: {auth: {token: 'keep me'")
    with pytest.raises(ConfigError):
        config.set_value(path, "gateway.port", 18790)
    assert "keep me" in path.read_text()


def test_a_file_with_two_mistakes_can_be_mended_one_by_one(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('{"gateway": {"prot": 1, "port": "x"}}')
    config.set_value(path, "gateway.port", 18790)
    config.unset_value(path, "gateway.prot")
    assert tree(path) == {"gateway": {"port": 18790}}


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    config.set_value(path, "gateway.port", 18790)
    assert path.is_symlink()
    assert tree(target) == {"gateway": {"port": 18790}}


# -- secrets ----------------------------------------------------------------------------------------------------------
def test_secrets_and_what_may_be_one_are_redacted() -> None:
    shown = config.redact(
        {
            "gateway": {"port": 1, "auth": {"token": "s3cret", "password": ""}},
            "models": {"providers": {"x": {"apiKey": "s3cret", "baseUrl": "http://x"}}},
            "gatewayy": {"tokn": "s3cret"},
            "misc": "s3cret",
        }
    )
    assert "s3cret" not in json.dumps(shown)
    assert shown["gateway"] == {"port": 1, "auth": {"token": REDACTED, "password": ""}}
    assert shown["models"]["providers"]["x"]["baseUrl"] == "http://x"


def test_an_address_with_a_login_in_it_is_redacted_and_kept(path: Path) -> None:
    address = "http://bob:s3cret@models.example:11434/"
    stored = {"models": {"providers": {"x": {"baseUrl": address}}}, "gateway": {"remote": {"url": "ws://s3cret@h/"}}}
    config.write_raw(path, json.dumps(stored), base_hash=None)
    shown = config.redact(stored)
    assert "s3cret" not in json.dumps(shown)
    assert "s3cret" not in json.dumps(snapshot(config.load({"CLAWDBOT_STATE_DIR": str(path.parent.parent)})))
    config.write_raw(path, json.dumps({**shown, "session": {"maxQueued": 1}}), base_hash=read(path).hash)
    assert tree(path) == {**stored, "session": {"maxQueued": 1}}


def test_a_redacted_secret_that_comes_back_keeps_the_stored_one(path: Path) -> None:
    config.write_raw(path, '{"gateway": {"auth": {"token": "s3cret"}, "port": 1}}', base_hash=None)
    shown = read(path)
    edited = json.dumps({**config.redact(shown.tree or {}), "session": {"maxQueued": 1}})
    config.write_raw(path, edited, base_hash=shown.hash)
    assert tree(path) == {"gateway": {"auth": {"token": "s3cret"}, "port": 1}, "session": {"maxQueued": 1}}
    config.set_value(path, "gateway.auth.token", REDACTED)
    assert tree(path)["gateway"]["auth"]["token"] == "s3cret"


def test_a_marker_for_a_secret_that_is_stored_elsewhere_is_not_written(path: Path) -> None:
    marker = {"gateway": {"auth": {"token": REDACTED, "mode": "token"}}}
    config.write_raw(path, json.dumps(marker), base_hash=None)
    config.merge(path, {"models": {"providers": {"anthropic": {"apiKey": REDACTED}}}}, base_hash=None)
    assert tree(path) == {"gateway": {"auth": {"mode": "token"}}}


def test_markers_do_not_replace_a_file_that_cannot_be_read(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("{gateway: {auth: {token: 'keep me'}}")
    with pytest.raises(ConfigError):
        config.write_raw(path, json.dumps({"gateway": {"auth": {"token": REDACTED}}}), base_hash=None)
    config.write_raw(path, "{}", base_hash=None)
    assert path.with_name("config.json.bak").read_text() == "{gateway: {auth: {token: 'keep me'}}"


def leaf(name: str) -> st.SearchStrategy[Any]:
    setting = config.find(name)
    assert setting is not None
    if setting.choices:
        return st.sampled_from(setting.choices)
    if setting.type == "integer":
        return st.integers(setting.minimum or 0, setting.maximum)
    return st.text(st.characters(min_codepoint=33, exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=20)


NAMES = [
    "gateway.port",
    "gateway.bind",
    "gateway.auth.token",
    "gateway.auth.password",
    "agents.defaults.systemPrompt",
    "models.providers.a.apiKey",
    "models.providers.b.apiKey",
    "session.maxQueued",
]


@given(st.fixed_dictionaries({}, optional={name: leaf(name) for name in NAMES}))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_writing_back_what_was_shown_changes_nothing(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "config.json"
    path.unlink(missing_ok=True)
    for name, value in values.items():
        config.set_value(path, name, value)
    before = read(path)
    config.write_raw(path, json.dumps(config.redact(before.tree or {})), base_hash=before.hash)
    assert values_of(read(path).tree or {}) == values


# -- at the same time -------------------------------------------------------------------------------------------------
def _set(path: Path, name: str) -> None:
    config.set_value(path, name, "x")


def test_processes_that_write_at_the_same_time_lose_nothing(path: Path) -> None:
    names = [f"models.providers.p{number}.apiKey" for number in range(8)]
    fork = multiprocessing.get_context("spawn")
    workers = [fork.Process(target=_set, args=(path, name)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sorted(tree(path)["models"]["providers"]) == sorted(name.split(".")[2] for name in names)


def test_strict_json_never_loads_the_json5_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    import json5

    monkeypatch.setattr(json5, "loads", lambda *args, **more: pytest.fail("json5 was used"))
    assert parse('{"a": [1, "2"]}') == {"a": [1, "2"]}


def test_what_cannot_be_taken_up_goes_back_unless_another_has_changed_the_file_since(tmp_path):
    path = tmp_path / "config.json"
    wrote = set_value(path, "gateway.port", 1)
    before = path.read_bytes()
    assert take_back(path, set_value(path, "gateway.port", 2), before) and path.read_bytes() == before
    late = set_value(path, "gateway.port", 3)
    set_value(path, "ui.locale", "ko")  # at another gateway
    assert not take_back(path, late, before) and json.loads(path.read_text())["ui"] == {"locale": "ko"}
    path.unlink()
    assert take_back(path, set_value(path, "gateway.port", 1), None) and not path.exists()
    assert wrote

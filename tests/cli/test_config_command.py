"""``clawdbot config``: with no gateway running, by the rules of the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawdbot_ext.cli import main
from clawdbot_ext.config import REDACTED, load
from clawdbot_ext.runtime.secrets import local_token
from tests.cli.conftest import Run, run_cli, run_process
from tests.support.server import GatewayProcess


class Here:
    """The command line in this process, in a state directory of its own."""

    def __init__(self, state: Path, capsys: pytest.CaptureFixture[str]):
        self.state, self._capsys = state, capsys
        self.err = ""

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = main(["config", *arguments])
        captured = self._capsys.readouterr()
        self.err = captured.err
        return code, captured.out

    @property
    def file(self) -> Path:
        return self.state / "jupyter" / "config.json"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    for name in (
        "CLAWDBOT_GATEWAY_TOKEN",
        "CLAWDBOT_GATEWAY_PASSWORD",
        "CLAWDBOT_GATEWAY_PORT",
        "JUPYTER_PORT",
        "CLAWDBOT_CONFIG_PATH",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path))
    return Here(tmp_path, capsys)


def test_a_value_is_set_shown_and_unset(config: Here) -> None:
    assert config("get", "gateway.port") == (0, "18789\n")
    assert config("set", "gateway.port", "18790") == (0, "Set: gateway.port = 18790\n")
    assert config("get", "gateway.port") == (0, "18790\n")
    assert json.loads(config.file.read_text()) == {"gateway": {"port": 18790}}
    assert config("unset", "gateway.port")[0] == 0
    assert config("get", "gateway.port") == (0, "18789\n")


def test_text_needs_no_quotes_and_json5_is_understood(config: Here) -> None:
    for name, given, shown in [
        ("agents.defaults.model", "anthropic/claude-sonnet-5-5", "anthropic/claude-sonnet-5-5"),
        ("gateway.auth.token", "12345", "12345"),
        ("agents.defaults.systemPrompt", "'one\\ntwo'", "one\ntwo"),
        ("agents.defaults.systemPrompt", "{not an object}", "{not an object}"),
    ]:
        assert config("set", name, given)[0] == 0
        assert config("get", name)[1] == f"{shown}\n"
    assert config("set", "gateway.allowedHosts", "['a.example', 'b.example',]")[0] == 0
    assert json.loads(config("get", "gateway.allowedHosts")[1]) == ["a.example", "b.example"]
    assert config("set", "gateway.auth", "{mode: 'password', password: 'hunter22'}")[0] == 0
    assert config("get", "gateway.auth.password")[1] == "hunter22\n"


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["get", "gateway.prot"], "gateway.port"),
        (["set", "gateway.prot", "1"], "gateway.port"),
        (["unset", "gateway.prot"], "gateway.port"),
        (["set", "gateway.port", "70000"], "65535"),
        (["set", "gateway.bind", "loop"], "loopback"),
        (["set", "models.providers.x.apikey", "k"], "models.providers.x.apiKey"),
    ],
)
def test_what_is_wrong_is_refused_with_the_nearest_right_one(config: Here, arguments: list[str], nearest: str) -> None:
    code, out = config(*arguments)
    assert (code, out) == (2, "")
    assert f"Did you mean {nearest}?" in config.err
    assert config.err.count("\n") == 1, "one line"
    assert not config.file.exists()


def test_globs_and_objects_hide_secrets_and_an_exact_name_does_not(config: Here) -> None:
    config("set", "gateway.auth.token", "s3cret-token")
    config("set", "models.providers.anthropic.apiKey", "sk-s3cret")
    for arguments in (
        ["get"],
        ["get", "gateway.auth.*"],
        ["get", "gateway.auth"],
        ["get", "*"],
        ["get", "--json"],
        ["get", "models.providers.*.apiKey"],
    ):
        code, out = config(*arguments)
        assert code == 0
        assert "s3cret" not in out
        assert (REDACTED if out.startswith("{") else "(hidden)") in out
    assert config("get", "gateway.auth.token")[1] == "s3cret-token\n"
    assert config("get", "models.providers.anthropic.apiKey", "--json")[1] == '"sk-s3cret"\n'
    assert "sk-s3cret" in config("get", "models.*", "--reveal")[1]
    config("set", "models.providers.x.baseUrl", "http://bob:pw-s3cret@models.example/")
    assert "pw-s3cret" not in config("get", "models.*")[1]
    assert "pw-s3cret" in config("get", "models.*", "--reveal")[1]


def test_globs_and_objects_are_json_for_scripts(config: Here) -> None:
    config("set", "gateway.port", "18790")
    flat = json.loads(config("get", "gateway.*", "--json")[1])
    assert flat["gateway.port"] == 18790
    assert json.loads(config("get", "gateway.auth")[1]) == {
        "mode": "token",
        "allowTailscale": False,
        "owners": [],
        "token": "",
        "password": "",
    }


def test_a_glob_without_a_match_is_refused(config: Here) -> None:
    assert config("get", "nosuch.*")[0] == 2
    assert config("get", "models.providers.nosuch")[0] == 2


def test_the_token_that_was_made_is_the_one_that_is_shown(config: Here) -> None:
    assert config("get", "gateway.auth.token")[1] == "\n"
    secrets = config.state / "jupyter" / "secrets"
    secrets.mkdir(parents=True, mode=0o700)
    (secrets / "token").write_text("made\n")
    assert config("get", "gateway.auth.token")[1] == "made\n"


def test_setting_a_secret_never_prints_it(config: Here) -> None:
    code, out = config("set", "models.providers.anthropic.apiKey", "sk-s3cret")
    assert (code, out) == (0, "Set: models.providers.anthropic.apiKey\n")
    assert config.err == ""
    config("set", "gateway.auth", "{token: 's3cret'}")
    assert "s3cret" not in config.err


def test_a_variable_that_wins_is_named(config: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWDBOT_GATEWAY_PORT", "19000")
    config("set", "gateway.port", "18790")
    assert "CLAWDBOT_GATEWAY_PORT" in config.err
    assert config("get", "gateway.port")[1] == "19000\n"


def test_a_file_with_mistakes_is_explained_and_can_be_mended(config: Here) -> None:
    config.file.parent.mkdir(parents=True)
    config.file.write_text("{gateway: {prot: 1, bind: 'x'}}")
    code, out = config("validate")
    assert code == 2
    assert "gateway.prot" in out
    assert "gateway.bind" in out
    found = json.loads(config("validate", "--json")[1])
    assert (found["valid"], found["issues"][0]["suggestion"]) == (False, "gateway.port")
    assert config("unset", "gateway.prot")[0] == 0
    assert "still has a problem" in config.err
    assert config("set", "gateway.bind", "lan")[0] == 0
    assert config("validate")[0] == 0
    assert config("path") == (0, f"{config.file}\n")


def test_clawdbots_own_file_is_read_and_never_written(config: Here) -> None:
    foreign = config.state / "clawdbot.json"
    foreign.write_text("{gateway: {port: 19000, auth: {token: 'theirs'}}}")
    assert config("get", "gateway.port")[1] == "19000\n"
    assert "(clawdbot.json)" in config("get", "gateway.*")[1]
    config("set", "gateway.auth.token", "ours")
    config("unset", "gateway.port")
    assert foreign.read_text() == "{gateway: {port: 19000, auth: {token: 'theirs'}}}"


def test_a_value_that_is_not_given_is_read_from_standard_input(alone: Run) -> None:
    assert alone("config", "set", "models.providers.anthropic.apiKey", stdin="sk-piped\n").returncode == 0
    assert alone("config", "get", "models.providers.anthropic.apiKey").stdout == "sk-piped\n"


def test_messages_are_korean_for_a_korean_terminal(alone: Run, own: dict[str, str]) -> None:
    done = alone("config", "set", "gateway.port", "70000", LANG="ko_KR.UTF-8")
    assert done.returncode == 2
    assert "사이의 값이어야 해요" in done.stderr
    assert "혹시 찾으신 것: 65535" in done.stderr
    shown = run_process({**own, "LC_ALL": "ko_KR.UTF-8"}, "config", "--help").stdout
    assert "설정을 보고 바꿔요" in shown and "사용법: clawdbot config" in shown and "옵션:" in shown
    wrong = run_process({**own, "LC_ALL": "ko_KR.UTF-8"}, "config", "get", "a", "b")
    assert (
        wrong.returncode == 2 and "clawdbot: 필요 없는 인자가 있어요(b)" in wrong.stderr and "도움말:" in wrong.stderr
    )


def test_a_file_that_cannot_be_written_is_one_line(alone: Run, tmp_path: Path) -> None:
    (tmp_path / "jupyter").write_text("in the way")
    done = alone("config", "set", "gateway.port", "18790")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_running_gateway_notices_what_is_set(gateway: GatewayProcess) -> None:
    import time

    def max_queued() -> int:
        from clawdbot_ext import client
        from clawdbot_ext.client.endpoint import Endpoint

        with client.connect(Endpoint(gateway.ws_url, gateway.url, gateway.token)) as connected:
            value: int = connected.request("config.get")["config"]["session"]["maxQueued"]
            return value

    assert run_cli(gateway.environment, "config", "set", "session.maxQueued", "7").returncode == 0
    ends = time.monotonic() + 60
    while max_queued() != 7 and time.monotonic() < ends:
        time.sleep(0.1)
    assert max_queued() == 7


@pytest.mark.parametrize(
    ("before", "name", "value", "says"),
    [
        ({}, "gateway.tailscale.mode", "funnel", "set a password"),
        ({}, "gateway.auth.mode", "password", "gateway.auth.password"),
        ({}, "gateway.auth.mode", "tailscale", "gateway.tailscale.mode serve"),
        ({}, "gateway.bind", "custom", "gateway.customBindHost"),
        ({"gateway.bind": "lan"}, "gateway.tailscale.mode", "serve", "bypass Tailscale"),
        ({"gateway.tailscale.mode": "serve"}, "gateway.bind", "tailnet", "bypass Tailscale"),
        ({"gateway.auth.token": "short"}, "gateway.bind", "lan", "gateway.auth.token"),
        ({"gateway.bind": "lan"}, "gateway.auth.password", "password", "gateway.auth.password"),
        ({"gateway.tls.autoGenerate": "false"}, "gateway.tls.enabled", "true", "gateway.tls.certPath"),
    ],
)
def test_what_no_gateway_starts_with_is_refused_where_it_is_set(
    config: Here, before: dict[str, str], name: str, value: str, says: str
) -> None:
    for each in before.items():
        assert config("set", *each)[0] == 0
    assert config("set", name, value) == (2, "")
    assert says in config.err and "--force" in config.err
    assert config("validate")[0] == 0, "nothing was written"
    assert config("set", name, value, "--force")[0] == 0
    code, told = config("validate")
    assert code == 2 and says in told
    assert config("set", "session.maxQueued", "3")[0] == 0, "what was wrong before is no obstacle"
    assert config("unset", name)[0] == 0 and config("validate")[0] == 0


def test_a_setting_that_another_needs_is_not_taken_away(config: Here) -> None:
    for each in (("gateway.auth.password", "a long enough password"), ("gateway.auth.mode", "password")):
        assert config("set", *each)[0] == 0
    assert config("unset", "gateway.auth.password")[0] == 2
    assert "must be set" in config.err


def test_the_generated_token_is_no_empty_setting(config: Here) -> None:
    local_token(load(), create=True)
    told = config("get", "gateway.auth.*")[1]
    (line,) = [line for line in told.splitlines() if line.startswith("gateway.auth.token")]
    assert line.endswith("  (hidden) (generated)")
    assert json.loads(config("get", "gateway.auth", "--json")[1])["token"] == REDACTED

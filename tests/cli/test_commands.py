"""The client commands against a real gateway, as processes: what they print and how they exit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from clawdbot_ext.cli.gateway import _argv
from tests.cli.conftest import TIMEOUT_S, Run, run_cli
from tests.support.server import GatewayProcess, free_port

NO_GATEWAY = "ws://127.0.0.1:1/"


# -- agent ------------------------------------------------------------------------------------------------------------
def test_agent_prints_the_reply(cli: Run) -> None:
    done = cli("agent", "-m", "hello", "--session", "plain")
    assert done.returncode == 0
    assert "demo" in done.stdout
    assert done.stdout.endswith("\n")
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_agent_appends_what_is_piped_in(cli: Run) -> None:
    assert cli("agent", "-m", "hello there", "--session", "piped", stdin="from a pipe\n안녕\n").returncode == 0
    history = json.loads(cli("sessions", "show", "piped", "--json").stdout)
    assert history["messages"][0]["content"] == [{"type": "text", "text": "hello there\n\nfrom a pipe\n안녕"}]


def test_agent_takes_the_message_from_a_pipe_alone_and_refuses_none(cli: Run) -> None:
    assert cli("agent", "--session", "piped", stdin="hello\n").returncode == 0
    done = cli("agent", "--session", "piped", stdin="\n")
    assert done.returncode == 2
    assert "-m" in done.stderr


def test_agent_as_json_has_all_a_script_wants(cli: Run) -> None:
    done = cli("agent", "--json", "-m", "code", "--session", "json", "--thinking", "low")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["session"]) == (0, "ok", "json")
    assert "```python" in report["text"]
    assert report["model"] == "demo"
    assert report["usage"]["totalTokens"] > 0
    assert report["runId"]


def test_agent_answers_commands_too(cli: Run) -> None:
    assert "Demo" in cli("agent", "-m", "/status", "--session", "plain").stdout


def test_a_failed_run_is_exit_code_1_with_the_reason_on_standard_error(cli: Run) -> None:
    done = cli("agent", "-m", "error 401", "--session", "failing")
    assert done.returncode == 1
    assert done.stderr.startswith("clawdbot: ")
    report = json.loads(cli("agent", "--json", "-m", "error 401", "--session", "failing").stdout)
    assert (report["status"], report["error"]["kind"]) == ("error", "auth")


def test_a_reply_that_takes_too_long_is_stopped_with_exit_code_5(cli: Run) -> None:
    done = cli("agent", "-m", "slow", "--session", "late", "--timeout", "1")
    assert done.returncode == 5
    assert "1 s" in done.stderr
    last = json.loads(cli("sessions", "show", "late", "--json").stdout)["messages"][-1]
    assert last["stopReason"] == "aborted"


def answering(gateway: GatewayProcess, session: str) -> subprocess.Popen[bytes]:
    """``clawdbot agent`` in the middle of a slow reply."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clawdbot_ext", "agent", "-m", "slow", "--session", session],
        env=gateway.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    assert process.stdout.read(9) == b"One word "
    return process


def test_ctrl_c_stops_the_reply_and_exits_with_130(gateway: GatewayProcess, cli: Run) -> None:
    process = answering(gateway, "interrupted")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    last = json.loads(cli("sessions", "show", "interrupted", "--json").stdout)["messages"][-1]
    assert last["stopReason"] == "aborted"


def test_a_reply_that_is_stopped_elsewhere_is_exit_code_5(gateway: GatewayProcess, cli: Run) -> None:
    process = answering(gateway, "stopped")
    assert cli("agent", "-m", "/stop", "--session", "stopped").returncode == 0
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 5
    assert "No reply is running." in cli("agent", "-m", "/stop", "--session", "stopped").stderr


@pytest.mark.slow
def test_a_gateway_that_is_killed_in_mid_reply_leaves_exit_code_5_and_the_text(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path)
    gateway.start()
    try:
        process = answering(gateway, "main")
        gateway.kill()
        gateway.start()
        out, errors = process.communicate(timeout=60)
        stored = run_cli(gateway.environment, "sessions", "show").stdout
    finally:
        gateway.stop()
    assert process.returncode == 5
    assert b"reconnecting" in errors
    assert b"word" not in out, "what was printed is not printed again"
    assert "[The reply was interrupted." in stored


# -- where it goes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["health"],
        ["agent", "-m", "x"],
        ["sessions", "list"],
        ["web"],
        ["models", "list"],
        ["gateway", "status"],
        ["gateway", "restart"],
    ],
)
def test_without_a_gateway_the_exit_code_is_3_and_the_way_out_is_named(alone: Run, arguments: list[str]) -> None:
    done = alone(*arguments)
    assert done.returncode == 3
    assert "jupyter clawdbot" in done.stderr
    assert "Traceback" not in done.stderr
    for locale, words, start in (
        ("C.UTF-8", "The gateway isn't responding: ", "Start it with: jupyter clawdbot"),
        ("ko_KR.UTF-8", "게이트웨이가 응답하지 않아요: ", "시작하려면: jupyter clawdbot"),
    ):
        done = alone(*arguments, "--url", NO_GATEWAY, LC_ALL=locale)
        assert done.returncode == 3
        assert words + NO_GATEWAY in done.stderr and start in done.stderr


@pytest.mark.parametrize("arguments", [["status"], ["agent", "-m", "x"], ["web", "--print"]])
def test_wrong_credentials_are_exit_code_4(cli: Run, arguments: list[str]) -> None:
    done = cli(*arguments, "--token", "wrong")
    assert done.returncode == 4
    assert "--token" in done.stderr
    assert "wrong" not in done.stderr.replace("wrong usage", "")


def test_another_gateway_is_reached_by_address_and_token(gateway: GatewayProcess, alone: Run) -> None:
    done = alone("health", "--url", gateway.url, "--token", gateway.token)
    assert done.returncode == 0
    assert alone("health", "--url", gateway.url).returncode == 4
    assert alone("config", "set", "gateway.remote.url", gateway.url).returncode == 0
    assert alone("config", "set", "gateway.remote.token", gateway.token).returncode == 0
    assert alone("health").returncode == 0
    assert json.loads(alone("status", "--json").stdout)["url"] == gateway.url


def test_a_wrong_command_or_option_is_exit_code_2_with_the_nearest(alone: Run) -> None:
    done = alone("sesions", "list")
    assert (done.returncode, "clawdbot sessions" in done.stderr) == (2, True)
    assert alone("agent", "--mesage", "x").returncode == 2
    assert alone("health", "--url", "ftp://x").returncode == 2


def test_the_version_and_the_help_need_no_gateway(alone: Run) -> None:
    assert re.fullmatch(r"clawdbot \d+\.\d+\.\d+ \(Clawdbot for Jupyter\)\n", alone("--version").stdout)
    assert "130 Ctrl+C" in " ".join(alone("--help").stdout.split())


# -- web --------------------------------------------------------------------------------------------------------------
def test_web_prints_a_link_that_logs_in_once(cli: Run) -> None:
    link = cli("web", "--print").stdout.strip()
    opener = urllib.request.build_opener(_NoRedirect())
    with opener.open(link) as first, opener.open(link) as second:
        assert first.status == 303
        assert first.headers["Set-Cookie"].startswith("clawdbot")
        assert second.headers["Set-Cookie"] is None
    found = json.loads(cli("web", "--json").stdout)
    assert found["url"] != link
    assert found["expiresAt"] > time.time() * 1000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def http_error_303(self, req, fp, code, msg, headers):  # type: ignore[no-untyped-def]
        return fp


# -- sessions ---------------------------------------------------------------------------------------------------------
def test_a_session_is_opened_listed_read_reset_restored_and_removed(cli: Run) -> None:
    assert cli("sessions", "new", "notes", "--label", "My notes").stdout == "Created: agent:main:notes\n"
    assert cli("agent", "-m", "hello", "--session", "notes").returncode == 0
    listed = cli("sessions", "list").stdout
    assert "agent:main:notes" in listed
    assert "My notes" in listed
    shown = cli("sessions", "show", "notes").stdout
    assert shown.startswith("you · just now\nhello\n")

    assert cli("sessions", "reset", "notes").returncode == 0
    assert "No messages" in cli("sessions", "show", "notes").stderr
    transcripts = json.loads(cli("sessions", "show", "notes", "--archived", "--json").stdout)
    old = next(t["sessionId"] for t in transcripts if t["messageCount"])
    assert "hello" in cli("sessions", "show", "--transcript", old).stdout
    assert cli("sessions", "restore", old).returncode == 0
    assert "hello" in cli("sessions", "show", "notes").stdout

    assert cli("sessions", "clear", "notes").returncode == 0
    assert "No messages" in cli("sessions", "show", "notes").stderr
    assert cli("sessions", "clear", "notes", "--undo").returncode == 0
    assert "hello" in cli("sessions", "show", "notes").stdout

    assert cli("sessions", "delete", "notes").returncode == 2, "no terminal to ask"
    assert cli("sessions", "new", "main").returncode == 0
    refused = cli("sessions", "delete", "main")
    assert refused.returncode == 1 and "main session" in refused.stderr, "before it asks"
    assert cli("sessions", "delete", "notes", "--yes").returncode == 0
    assert cli("sessions", "delete", "notes", "--undo").returncode == 0
    assert "agent:main:webchat:" in cli("sessions", "fork", "notes").stdout
    assert cli("sessions", "delete", "notes", "--yes").returncode == 0
    assert "agent:main:notes" not in cli("sessions", "list").stdout


def test_the_main_session_is_the_asked_gateways_not_this_machines(gateway: GatewayProcess, alone: Run) -> None:
    elsewhere = ("--url", gateway.url, "--token", gateway.token)
    assert alone("config", "set", "session.mainKey", "mine").returncode == 0
    assert alone("agent", "-m", "hello", *elsewhere).returncode == 0
    for asked in (("sessions", "list"), ("status",), ("sessions", "search", "hello")):
        assert "Main session" in alone(*asked, *elsewhere).stdout
        assert "기본 세션" in alone(*asked, *elsewhere, LANG="ko_KR.UTF-8").stdout


def test_a_session_that_does_not_exist_is_exit_code_1(cli: Run) -> None:
    done = cli("sessions", "delete", "nosuch", "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert cli("sessions", "show", "--transcript", "nosuch").returncode == 1


# -- models, status, health, doctor -----------------------------------------------------------------------------------
def test_models_are_listed_and_chosen(cli: Run) -> None:
    assert "demo/demo" in cli("models", "list").stdout
    assert json.loads(cli("models", "list", "--json").stdout)[0]["provider"] == "demo"
    done = cli("models", "set", "dem/demo")
    assert done.returncode == 2
    assert "demo/demo" in done.stderr
    assert cli("models", "set", "demo/demo").returncode == 0
    assert cli("config", "get", "agents.defaults.model").stdout == "demo/demo\n"
    assert cli("models", "set", "auto").returncode == 0
    assert cli("config", "get", "agents.defaults.model").stdout == "\n"
    assert cli("models", "set", "demo/demo", "--session", "main").returncode == 0
    assert cli("models", "set", "auto", "--session", "main").returncode == 0
    assert json.loads(cli("models", "status", "--json").stdout)["model"]["provider"] == "demo"


def test_status_and_health_say_how_it_is(gateway: GatewayProcess, cli: Run) -> None:
    shown = cli("status").stdout
    assert gateway.url in shown
    assert "Demo (demo)" in shown
    assert json.loads(cli("status", "--json").stdout)["setup"] == {"provider": "demo", "needsKey": True}
    assert cli("health").stdout.startswith("ok (")
    assert json.loads(cli("health", "--json").stdout)["ok"] is True


# -- what is promised of all of them ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["status"],
        ["health"],
        ["doctor"],
        ["agent", "-m", "/help"],
        ["sessions", "list"],
        ["sessions", "show"],
        ["models", "list"],
        ["models", "status"],
        ["config", "get"],
        ["web", "--print"],
        ["gateway", "status"],
        ["chat", "--help"],
    ],
)
def test_a_client_command_never_loads_the_server_or_the_sdk(gateway: GatewayProcess, arguments: list[str]) -> None:
    code = (
        "import sys\nfrom clawdbot_ext.cli import main\ncode = main(sys.argv[1:])\n"
        "loaded = {'jupyter_server', 'anthropic', 'msgspec', 'json5', 'prompt_toolkit', 'traitlets', 'sqlite3'}\n"
        "print('LOADED', sorted(loaded & set(sys.modules)), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=gateway.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
    assert "LOADED [] 0" in done.stdout, done.stdout + done.stderr


def test_a_pipe_that_closes_early_is_no_error(gateway: GatewayProcess) -> None:
    program = f"{sys.executable} -m clawdbot_ext config get | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", program], env=gateway.environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.stderr == ""


def test_texts_are_korean_where_the_terminal_is(alone: Run, cli: Run) -> None:
    done = alone("status", LANG="ko_KR.UTF-8")
    assert "실행 중인 게이트웨이가 없어요" in done.stderr
    assert "내장 데모" in cli("status", LANG="ko_KR.UTF-8").stdout
    assert "데모" in cli("agent", "-m", "안녕", "--session", "korean", LC_ALL="ko_KR.UTF-8").stdout


# -- gateway ----------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_gateway_is_run_asked_restarted_and_stopped(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path)
    environment = process.environment
    log = (tmp_path / "output.log").open("wb")
    running = subprocess.Popen(
        [sys.executable, "-m", "clawdbot_ext", "gateway", "--no-browser", f"--port={process.port}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        ends = time.monotonic() + TIMEOUT_S
        while run_cli(environment, "health").returncode != 0:
            assert time.monotonic() < ends
            assert running.poll() is None, process.output
        before = json.loads(run_cli(environment, "gateway", "status", "--json").stdout)
        assert (before["running"], before["pid"], before["host"]) == (True, running.pid, "standalone")

        run_cli(environment, "config", "set", "gateway.tailscale.mode", "funnel", "--force")
        refused = run_cli(environment, "gateway", "restart")
        assert refused.returncode == 1 and "set a password" in refused.stderr
        assert run_cli(environment, "health").returncode == 0, "nothing was stopped"
        run_cli(environment, "config", "unset", "gateway.tailscale.mode")

        assert run_cli(environment, "gateway", "restart").stdout == f"Restarted: {process.url}\n"
        after = json.loads(run_cli(environment, "gateway", "status", "--json").stdout)
        assert after["startedAt"] > before["startedAt"]
        assert after["pid"] == running.pid

        assert run_cli(environment, "gateway", "stop").stdout == f"Stopped: {process.url}\n"
        assert running.wait(TIMEOUT_S) == 0
        assert run_cli(environment, "gateway", "status").returncode == 3
        assert run_cli(environment, "gateway", "stop").returncode == 0, "there is nothing to stop: that is no failure"
    finally:
        running.kill()
        running.wait()
        log.close()


def test_a_restart_takes_up_a_changed_port_and_waits_at_the_new_address(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path)
    environment, other = process.environment, free_port()
    run_cli(environment, "config", "set", "gateway.port", str(process.port))
    running = subprocess.Popen(
        [sys.executable, "-m", "clawdbot_ext", "gateway", "--no-browser"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ends = time.monotonic() + TIMEOUT_S
        while run_cli(environment, "health").returncode != 0:
            assert time.monotonic() < ends and running.poll() is None
        run_cli(environment, "config", "set", "gateway.port", str(other))
        assert run_cli(environment, "gateway", "restart").stdout == f"Restarted: http://127.0.0.1:{other}/\n"
    finally:
        running.kill()
        running.wait()


def test_options_before_a_subcommand_are_refused_rather_than_ignored(alone: Run) -> None:
    done = alone("gateway", "--port", "1", "status")
    assert done.returncode == 2
    assert "status" in done.stderr


# -- finding and exporting --------------------------------------------------------------------------------------------
def test_sessions_search_prints_what_was_said_and_where(cli: Run) -> None:
    assert cli("agent", "-m", "the aardvark 매출분석", "--session", "zoo").returncode == 0
    done = cli("sessions", "search", "매출")
    assert (done.returncode, done.stderr) == (0, "")
    assert "agent:main:zoo" in done.stdout and "the aardvark 매출분석" in done.stdout and "\x1b" not in done.stdout
    (hit, *_) = json.loads(cli("sessions", "search", "aardv", "--json", "--limit", "1").stdout)
    assert hit["snippet"][slice(*hit["highlights"][0])] == "aardv"
    nothing = cli("sessions", "search", "ocelot")
    assert (nothing.returncode, nothing.stdout) == (0, "") and nothing.stderr


def test_sessions_export_writes_the_format_that_the_file_name_says(cli: Run, tmp_path: Path) -> None:
    assert cli("agent", "-m", "hello export", "--session", "exported").returncode == 0
    assert cli("sessions", "export", "exported").stdout.startswith("# hello export\n")
    for name, mark in (("a.md", "# hello"), ("a.html", "<!doctype html>"), ("a.json", "{"), ("a.ipynb", "{")):
        done = cli("sessions", "export", "exported", "-o", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (0, "")
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(mark)
    assert json.loads((tmp_path / "a.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4
    assert (
        cli("sessions", "export", "exported", "--format", "md").stdout
        == cli("sessions", "export", "exported", "--format", "markdown").stdout
    )
    link, pipe = tmp_path / "link.md", tmp_path / "pipe"
    link.symlink_to("a.md")
    (tmp_path / "a.md").chmod(0o640)
    assert cli("sessions", "export", "exported", "-o", str(link)).returncode == 0
    assert link.is_symlink() and (tmp_path / "a.md").stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)  # as /dev/null, which must not become a file
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert cli("sessions", "export", "exported", "-o", str(pipe)).returncode == 0
        assert pipe.is_fifo() and os.read(reader, 65536).startswith(b"# hello export\n")
    finally:
        os.close(reader)
    assert not list(tmp_path.glob(".*.partial"))
    failed = cli("sessions", "export", "exported", "--format", "json", "-o", str(tmp_path / "no" / "a"))
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert cli("sessions", "export", "unknown").returncode == 1


def test_port_0_of_the_command_line_is_a_port() -> None:
    assert _argv({"port": 0, "ip": None, "force": True, "no_browser": False}) == ["--port=0", "--force"]

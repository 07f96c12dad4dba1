"""Proxies and certificates in the environment: a wrong variable is named, by the chat and by ``doctor``."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawdbot_ext.agent.providers.anthropic import AnthropicProvider
from clawdbot_ext.agent.providers.base import ProviderError, WrongEnvironment
from clawdbot_ext.agent.providers.http_environment import PROXIES, broken_variables
from clawdbot_ext.agent.turn import explain_failure
from tests.cli.conftest import run_cli
from tests.support.server import clean_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1", "pip install socksio"),
        ("all_proxy", "socks4://127.0.0.1:1", "socks5://"),
        ("HTTPS_PROXY", "ftp://proxy.example", "http://"),
        ("NO_PROXY", "example.com,fe80::/10", "IPv6"),
        ("no_proxy", "[::1]", "IPv6"),
        ("SSL_CERT_FILE", "/nowhere.pem", "not there"),
        ("SSL_CERT_FILE", __file__, "without a certificate"),
    ],
)
def test_the_message_and_doctor_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(WrongEnvironment) as caught:
        AnthropicProvider("anthropic", "a key")
    message, hint = explain_failure(caught.value, "anthropic")
    assert variable in message and says in message and "clawdbot doctor" in hint
    assert variable in explain_failure(caught.value, "anthropic", locale="ko")[0]
    done = run_cli(clean_environment(tmp_path, **{variable: value}), "doctor")
    assert done.returncode == 1 and any(variable in line and says in line for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "http://proxy.example:3128"),
        ("HTTP_PROXY", "proxy.example"),
        ("NO_PROXY", "localhost,127.0.0.0/8,::1,.example.com,example.org:8080,*"),
        ("SSL_CERT_FILE", ""),
    ],
)
def test_what_the_client_can_use_is_no_problem(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    AnthropicProvider("anthropic", "a key")
    assert broken_variables() == []


def test_a_folder_of_certificates_that_is_not_there(tmp_path: Path) -> None:
    assert broken_variables({"SSL_CERT_DIR": str(tmp_path / "none")}) == [("SSL_CERT_DIR", "environment.noFolder")]
    assert broken_variables({"SSL_CERT_DIR": f"{tmp_path / 'none'}:{tmp_path}"}) == []


def test_a_wrong_address_is_no_fault_of_the_environment() -> None:
    with pytest.raises(ProviderError) as caught:
        AnthropicProvider("other", "a key", "http://[::1")
    assert caught.value.kind == "invalid"

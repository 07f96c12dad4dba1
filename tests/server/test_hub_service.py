"""The environment that a Hub gives to its services, and the settings that follow."""

from __future__ import annotations

import json

import pytest

from clawdbot_ext.config import ConfigError, load
from clawdbot_ext.server import hub_service

GIVEN = {
    "JUPYTERHUB_API_TOKEN": "t",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
    "JUPYTERHUB_SERVICE_NAME": "clawdbot",
    "JUPYTERHUB_SERVICE_PREFIX": "/services/clawdbot/",
}


def configured(tmp_path, **settings):
    tmp_path.joinpath("config.json").write_text(json.dumps({"gateway": settings}))
    return load({"CLAWDBOT_CONFIG_PATH": str(tmp_path / "config.json"), "HOME": str(tmp_path)})


@pytest.mark.parametrize("missing", hub_service.NEEDED)
def test_a_start_that_is_no_service_of_a_hub_is_refused_with_what_is_missing(missing):
    with pytest.raises(ConfigError, match=missing):
        hub_service.check({**GIVEN, missing: ""})
    hub_service.check(GIVEN)


def test_a_service_that_the_hub_starts_is_where_its_proxy_looks_for_it(tmp_path):
    given = {
        **GIVEN,
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101",
        "JUPYTERHUB_PUBLIC_URL": "https://hub.example:8443/services/clawdbot/",
    }
    assert hub_service.settings(configured(tmp_path), given) == {
        "gateway.controlUi.basePath": "/services/clawdbot",
        "gateway.port": 10101,
        "gateway.bind": "loopback",
        "gateway.trustedProxies": ["127.0.0.1", "::1"],
        "gateway.allowedHosts": ["hub.example:8443"],
        "gateway.allowedOrigins": ["https://hub.example:8443"],
    }


def test_what_is_configured_wins_over_what_follows(tmp_path):
    config = configured(tmp_path, port=7, bind="lan", trustedProxies=["10.0.0.0/8"], allowedHosts=["a.example"])
    given = {**GIVEN, "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101", "JUPYTERHUB_PUBLIC_URL": "https://b.example/"}
    assert hub_service.settings(config, given) == {
        "gateway.controlUi.basePath": "/services/clawdbot",
        "gateway.allowedOrigins": ["https://b.example"],
    }


def test_a_service_elsewhere_is_told_its_port_alone(tmp_path):
    given = {**GIVEN, "JUPYTERHUB_SERVICE_URL": "http://clawdbot:18790"}
    assert hub_service.settings(configured(tmp_path), given) == {
        "gateway.controlUi.basePath": "/services/clawdbot",
        "gateway.port": 18790,
    }

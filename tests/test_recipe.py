"""The compose file of the documentation holds together, and says what this version of the gateway understands.

That it works is seen in ``tests/e2e/web/test_recipe.py``.
"""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import metadata
from typing import Any

import pytest

from clawdbot_ext.config import SETTINGS, load
from clawdbot_ext.config.loading import PROVIDER_ENV
from tests.support.recipe import FOLDER, GATEWAYS, Recipe, compose, example
from tests.support.server import ROOT

VALUES = {**example(), "POSTGRES_PASSWORD": "letters1", "CLAWDBOT_GATEWAY_TOKEN": "letters2"}
PLACES = {"CLAWDBOT_STATE_DIR", "CLAWDBOT_CONFIG_PATH"}
"""Variables that are no settings."""


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return compose(VALUES)


@pytest.fixture(scope="module")
def services(project) -> dict[str, Any]:
    return project["services"]


def test_every_variable_of_a_gateway_exists(services) -> None:
    known = {name for setting in SETTINGS for name in setting.env} | {
        name for row in PROVIDER_ENV.values() for name in row
    }
    for name in GATEWAYS:
        assert services[name]["environment"].keys() <= known | PLACES


def test_a_gateway_takes_every_value_of_its_environment(services) -> None:
    config = load(services["gateway-a"]["environment"])
    assert config["gateway.trustedProxies"] == (services["nginx"]["networks"]["inner"]["ipv4_address"],)
    assert config["gateway.allowedHosts"] == ("localhost",)
    assert config["storage.media.url"] == "file:///shared/media"
    database = services["postgres"]["environment"]
    user, password, name = (database[f"POSTGRES_{part}"] for part in ("USER", "PASSWORD", "DB"))
    assert config["storage.url"] == f"postgresql://{user}:{password}@postgres:5432/{name}"


def test_the_gateways_differ_in_their_state_and_address_only(services) -> None:
    one, two = (dict(services[name]) for name in GATEWAYS)
    assert one.pop("networks") != two.pop("networks")
    shared = {*one.pop("volumes")} & {*two.pop("volumes")}
    assert one == two
    assert shared == {"secrets:/state/jupyter/secrets", "shared:/shared"}


def test_the_example_has_exactly_the_variables_that_are_used_and_no_secret() -> None:
    used = set(re.findall(r"\$\{(\w+)", text("compose.yaml")))
    assert example().keys() == used
    for secret in set(re.findall(r"\$\{(\w+):\?\}", text("compose.yaml"))):
        assert example()[secret] == ""
        with pytest.raises(KeyError, match=secret):
            compose({**VALUES, secret: ""})


def test_what_is_named_is_there(project, services) -> None:
    assert project.keys() <= {"name", "services", "networks", "volumes"} | {key for key in project if key[:2] == "x-"}
    for service in services.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert "/" not in service["image"], "an image with the name of a registry"
        assert {*service["networks"]} <= project["networks"].keys()
        mounted = {each.split(":")[0] for each in service["volumes"]}
        assert {each for each in mounted if not each.startswith("./")} <= project["volumes"].keys()
        assert all((FOLDER / each).exists() for each in mounted if each.startswith("./"))
        assert {*service.get("depends_on", ())} <= services.keys()
    build = services["gateway-a"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]) == FOLDER / "Dockerfile"


def test_the_image_has_what_the_gateways_need(services) -> None:
    dockerfile = text("Dockerfile")
    [extras] = re.findall(r"^ARG EXTRAS=([\w,]+)$", dockerfile, re.MULTILINE)
    assert '[$EXTRAS]"' in dockerfile
    known = metadata("jupyter-clawdbot").get_all("Provides-Extra") or ()
    assert "postgres" in extras.split(",") and {*extras.split(",")} <= {*known}
    made = re.findall(r"mkdir --parents (.+?) \\", dockerfile)[0].split()
    for mount in services["gateway-a"]["volumes"]:
        target = mount.split(":")[1]
        assert any(path == target or path.startswith(f"{target}/") for path in made)
    assert str(services["gateway-a"]["command"]).replace("'", '"') in dockerfile


def test_nginx_passes_on_to_the_gateways(services) -> None:
    addresses = {services[name]["networks"]["inner"]["ipv4_address"] for name in GATEWAYS}
    found = re.findall(r"server ([\d.]+):(\d+)", text("nginx.conf"))
    assert {address for address, _ in found} == addresses
    assert {port for _, port in found} == {str(load({})["gateway.port"])}
    assert services["nginx"]["ports"] == [f"{VALUES['CLAWDBOT_LISTEN']}:80"]
    assert "listen 80;" in text("nginx.conf")


@pytest.mark.slow
def test_nginx_accepts_its_configuration(tmp_path) -> None:
    done = subprocess.run([*Recipe(tmp_path, VALUES).write_nginx(), "-t"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "warn" not in done.stderr, done.stderr

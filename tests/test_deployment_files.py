"""The files of docs/deploy/kubernetes: Kubernetes, the chart, the Hub and the gateway take them; they fit together."""

from __future__ import annotations

import copy
import itertools
import json
import re
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jupyterhub.app import JupyterHub
from jupyterhub.roles import get_default_roles
from jupyterhub.scopes import scope_definitions
from jupyterhub.services.service import Service
from traitlets.config import Config

from clawdbot_ext.config import SETTINGS, load
from clawdbot_ext.server import hub_service
from clawdbot_ext.server.context import STOP_SECONDS

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "docs" / "deploy" / "kubernetes"
OURS = {"CLAWDBOT_CONFIG_PATH", "CLAWDBOT_STATE_DIR", "ANTHROPIC_API_KEY", "HOME"}
"""Variables that are no setting's, or a provider's."""
HUBS = {*hub_service.NEEDED, "JUPYTERHUB_BASE_URL", "JUPYTERHUB_CLIENT_ID", "JUPYTERHUB_PUBLIC_URL"}
HOST_OF_IMAGES = re.compile(
    r"[\w-]+(?:\.[\w-]+)+(?::\d+)?/[\w./-]+:\w|\b(?:quay|docker|ghcr|gcr)\.io\b|registry\.|pypi\.|npmjs"
)


@cache
def manifests() -> dict[str, dict[str, Any]]:
    """The manifest's resources by kind, of which it has one each."""
    found = list(yaml.safe_load_all((DEPLOY / "gateways.yaml").read_text(encoding="utf-8")))
    by_kind = {each["kind"]: each for each in found}
    assert len(by_kind) == len(found)
    return by_kind


def values() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "zero-to-jupyterhub.yaml").read_text(encoding="utf-8"))
    return parsed


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["Deployment"]["spec"]["template"]["spec"]
    return spec


def gateway() -> dict[str, Any]:
    (container,) = pod()["containers"]
    return container  # type: ignore[no-any-return]


def environment() -> dict[str, str]:
    """The container's variables; of a secret, its name and key."""
    return {
        each["name"]: each.get("value") or "/".join(each["valueFrom"]["secretKeyRef"].values())
        for each in gateway()["env"]
    }


@pytest.mark.slow  # the schemas are large
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_resource_is_one_that_kubernetes_takes(version: str) -> None:
    for resource in manifests().values():
        assert kubernetes_validate.validate(resource, version, strict=True) == version


@pytest.mark.slow
def test_the_schema_finds_a_misspelt_field() -> None:
    wrong = copy.deepcopy(manifests()["Deployment"])
    wrong["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_labels_ports_volumes_and_secrets_of_the_manifest_fit_together() -> None:
    resources = manifests()
    labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    spec, (port,) = resources["Service"]["spec"], gateway()["ports"]
    for selector in (
        resources["Deployment"]["spec"]["selector"]["matchLabels"],
        resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        spec["selector"],
    ):
        assert selector.items() <= labels
    assert spec["ports"][0]["targetPort"] == port["name"]
    assert {each["name"] for each in gateway()["volumeMounts"]} == {each["name"] for each in pod()["volumes"]}
    names = {kind: resource["metadata"]["name"] for kind, resource in resources.items()}
    by_name = {each["name"]: each for each in pod()["volumes"]}
    assert by_name["config"]["configMap"]["name"] == names["ConfigMap"]
    assert by_name["shared"]["persistentVolumeClaim"]["claimName"] == names["PersistentVolumeClaim"]
    comment = (DEPLOY / "gateways.yaml").read_text(encoding="utf-8").partition("apiVersion:")[0]
    keys = set(re.findall(r"--from-literal=([\w-]+)=", comment))
    used = dict(each.split("/") for each in environment().values() if re.fullmatch(r"(?:clawdbot|hub)/\S+", each))
    assert keys == {value.partition("/")[2] for value in environment().values() if value.startswith("clawdbot/")}
    assert used["hub"] == f"hub.services.{next(iter(values()['hub']['services']))}.apiToken"  # as the chart names it


def test_the_manifest_names_variables_and_settings_that_exist(tmp_path: Path) -> None:
    known = {name for setting in SETTINGS for name in setting.env} | OURS | HUBS
    assert environment().keys() - known == set()
    assert set(hub_service.NEEDED) <= environment().keys()
    given = tmp_path / "config.json"
    given.write_text(manifests()["ConfigMap"]["data"]["config.json"], encoding="utf-8")
    assert environment()["CLAWDBOT_CONFIG_PATH"].endswith(f"/{given.name}")
    config = load({"CLAWDBOT_CONFIG_PATH": str(given), "HOME": str(tmp_path)})  # raises for a wrong name or value
    mounted = {each["name"]: each["mountPath"] for each in gateway()["volumeMounts"] if "subPath" not in each}
    assert config["users.from"] == "hub"
    assert config["users.directory"].startswith(mounted["shared"])
    assert config["storage.media.url"].startswith(f"file://{mounted['shared']}")
    assert environment()["CLAWDBOT_STATE_DIR"] == mounted["state"]
    follows = hub_service.settings(config, environment())
    assert follows == {"gateway.controlUi.basePath": "/services/clawdbot"}
    assert config["gateway.port"] == gateway()["ports"][0]["containerPort"]


def test_a_service_of_kubernetes_puts_no_setting_into_the_environment() -> None:
    """For one named ``clawdbot-gateway`` it would set ``CLAWDBOT_GATEWAY_PORT`` to an address."""
    assert pod()["enableServiceLinks"] is False


def test_a_gateway_is_probed_at_its_routes_and_has_time_to_end() -> None:
    paths = {name: gateway()[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    waits = int(gateway()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod()["terminationGracePeriodSeconds"] > waits + STOP_SECONDS
    deployment = manifests()["Deployment"]["spec"]
    assert deployment["replicas"] == 2 and deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert manifests()["PodDisruptionBudget"]["spec"]["minAvailable"] == 1


def test_the_charts_values_name_what_the_hub_knows() -> None:
    """Every field of the service is one of the Hub's, every scope exists, and no default scope of a role is lost."""
    hub = values()["hub"]
    (name, service), *none = hub["services"].items()
    assert none == [] and service.keys() <= Service.class_traits(input=True).keys()
    port = manifests()["Service"]["spec"]["ports"][0]["port"]
    assert service["url"] == f"http://{manifests()['Service']['metadata']['name']}:{port}"
    assert environment()["JUPYTERHUB_SERVICE_NAME"] == name
    assert environment()["JUPYTERHUB_SERVICE_PREFIX"] == f"/services/{name}/"
    assert environment()["JUPYTERHUB_CLIENT_ID"] == f"service-{name}"
    defaults = {role["name"]: set(role["scopes"]) for role in get_default_roles()}
    for role, given in hub["loadRoles"].items():
        assert {scope.partition("!")[0] for scope in given["scopes"]} <= scope_definitions.keys()
        assert set(given["scopes"]) == defaults[role] | {f"access:services!service={name}"}


@pytest.mark.parametrize("page", ["docs/hub-service.md", "docs/hub-service.ko.md"])
def test_the_snippet_for_the_littlest_jupyterhub_is_a_configuration_of_the_hub(page: str) -> None:
    c = Config()
    c.JupyterHub.load_roles = []
    c.JupyterHub.services = []
    for snippet in re.findall(r"```python\n(.+?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(snippet, page, "exec"), {"c": c})  # as the Hub runs it
    assert c.JupyterHub.keys() <= JupyterHub.class_traits().keys()
    (service,) = c.JupyterHub.services
    assert service.keys() <= Service.class_traits(input=True).keys()
    known = {name for setting in SETTINGS for name in setting.env} | OURS
    assert service["environment"].keys() - known == set()
    (role,) = c.JupyterHub.load_roles
    assert role["scopes"] == ["self", f"access:services!service={service['name']}"]
    blocks = re.findall(r"```json\n(.+?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert [json.loads(block)["users"]["from"] for block in blocks] == ["hub"]


def test_no_file_names_a_host_of_images_or_packages() -> None:
    for file in DEPLOY.iterdir():
        assert not HOST_OF_IMAGES.search(file.read_text(encoding="utf-8")), file.name


@pytest.mark.parametrize("page", ["docs/hub-service.md", "docs/hub-service.ko.md"])
def test_the_image_that_the_page_builds_is_the_manifests(page: str) -> None:
    (command,) = re.findall(r"^docker build (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    words = dict(itertools.pairwise(command.split()))
    assert words["--tag"] == gateway()["image"]
    image = (ROOT / words["--file"]).read_text(encoding="utf-8")
    assert f"EXPOSE {gateway()['ports'][0]['containerPort']}\n" in image
    name, extras = words["--build-arg"].split("=")
    assert f"ARG {name}=" in image
    known = metadata("jupyter-clawdbot").get_all("Provides-Extra") or []
    assert {"hub", "postgres"} <= {*extras.split(",")} <= {*known}

"""The sign-in of a JupyterHub that does not answer. With one that does: ``tests/e2e/hub``."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from clawdbot_ext.server.users.hub import HubSignIn
from tests.support.http import ask
from tests.support.server import GatewayProcess, free_port
from tests.support.wire import opened, run

pytestmark = pytest.mark.slow

PAGE = "/services/clawdbot/chat"


def service_environment(**more):
    """The environment of a service whose Hub is away."""
    return {
        "JUPYTERHUB_API_TOKEN": "token-of-the-service",
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{free_port()}/hub/api",
        "JUPYTERHUB_SERVICE_NAME": "clawdbot",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/clawdbot/",
        **more,
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    process = GatewayProcess(
        tmp_path_factory.mktemp("hub"), env=service_environment(), config={"users": {"from": "hub"}}
    )
    process.start()
    yield process
    process.stop()


def test_while_the_hub_is_away_a_person_is_told_so_and_a_program_gets_a_code(gateway):
    shown = [("Authorization", "token of-a-user")]
    page = ask(gateway.port, path=PAGE, headers=[*shown, ("Accept", "text/html"), ("Accept-Language", "ko")])
    assert page.status == 503 and "Hub가 응답하지 않아요" in page.body.decode()
    answer = ask(gateway.port, path="/services/clawdbot/auth/session", headers=shown)
    assert (answer.status, answer.json()["reason"]) == (503, "HUB_AWAY")

    async def main():
        url = f"ws://127.0.0.1:{gateway.port}/services/clawdbot/ws"
        with pytest.raises(InvalidStatus) as refused:
            async with opened(url, additional_headers=shown):
                pass
        assert refused.value.response.status_code == 503

    run(main())
    assert ask(gateway.port, path="/readyz").status == 200  # it is not the gateway that fails


def test_who_is_not_logged_in_is_led_to_the_hub_from_the_page_alone(gateway):
    page = ask(gateway.port, path=PAGE)
    assert page.status == 302 and page.headers["Location"].startswith("/hub/api/oauth2/authorize?client_id=service-")
    asked_by_script = ask(gateway.port, path=PAGE, headers=[("Sec-Fetch-Mode", "cors")])
    assert (asked_by_script.status, asked_by_script.json()["reason"]) == (401, "NOT_SIGNED_IN")
    for path in ("auth/session", "export?key=main", "media/AAAAAAAAAAAA"):
        assert ask(gateway.port, path=f"/services/clawdbot/{path}").status == 401


def test_a_cookie_that_was_not_sealed_here_is_none(gateway):
    for value in ("x", "gAAAAABm" + "A" * 100, "\N{LATIN SMALL LETTER E WITH ACUTE}"):
        cookie = [("Cookie", f"service-clawdbot={value}")]
        assert ask(gateway.port, path="/services/clawdbot/auth/session", headers=cookie).status == 401


def test_what_one_gateway_of_the_service_has_sealed_another_reads_and_no_other_service():
    given = service_environment()
    one, same, other = (HubSignIn(each, 30) for each in (given, given, {**given, "JUPYTERHUB_API_TOKEN": "another"}))
    sealed = one._seal({"token": "t"})
    assert (same._unseal(sealed, 60), other._unseal(sealed, 60)) == ({"token": "t"}, {})
    assert one.xsrf_token("t") == same.xsrf_token("t") != other.xsrf_token("t")
    assert one.xsrf_token("t") != one.xsrf_token("u")


def test_a_start_without_what_the_hub_gives_says_what_is_missing(tmp_path):
    process = GatewayProcess(
        tmp_path, env=service_environment(JUPYTERHUB_API_URL=""), config={"users": {"from": "hub"}}
    )
    process.spawn()
    assert process.wait() == 78
    assert "JUPYTERHUB_API_URL" in process.output and "users.from" in process.output

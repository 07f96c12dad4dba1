"""On a JupyterHub: the mount of each user's own server, with the Hub's login; and the gateway as a service for all."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psutil
import pytest
import requests
from websockets.exceptions import InvalidStatus

from clawdbot_ext.gateway.access.identity import GUEST_SCOPES
from clawdbot_ext.protocol.schema import OPERATOR_SCOPES
from tests.support.hub import ACCESS, ADMIN_TOKEN, OPERATOR_TOKEN, SERVICE, Hub, cookie_of, cookies_for
from tests.support.server import ROOT, clean_environment
from tests.support.wire import WireError, opened, run, text_of

pytestmark = pytest.mark.slow  # starting a Hub and two servers takes its time


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    shared = {"users": {"from": "hub", "recheckSeconds": 1, "settings": {"@class": {"ui.locale": "ko"}}}}
    hub = Hub(tmp_path_factory.mktemp("hub"), groups={"class": ["ann"]}, shared=shared)
    try:
        hub.start(["ann", "bob"])
        yield hub
    finally:
        hub.stop()


@pytest.fixture(scope="module")
def browsers(hub):
    return {user: hub.log_in(user) for user in ("ann", "bob")}


def socket_of(hub, user, browser, **more):
    path = f"/user/{user}/clawdbot/ws"
    headers = {"Cookie": cookies_for(browser, path), "Origin": hub.url, **more}
    return opened(hub.url.replace("http", "ws", 1) + path, additional_headers=headers)


def test_page_and_socket_work_behind_the_proxy_and_each_user_has_their_own_sessions(hub, browsers):
    async def main():
        for user in ("ann", "bob"):
            async with socket_of(hub, user, browsers[user]) as wire:
                hello = await wire.handshake()
                assert (hello["user"]["name"], hello["user"]["via"]) == (user, "jupyter")
                assert str(hub.folder / "home" / user) in hello["snapshot"]["stateDir"]
                await wire.ask(f"[[text=for {user} alone]]")
        async with socket_of(hub, "ann", browsers["ann"]) as wire:
            await wire.handshake()
            said = [
                text_of(message) for message in (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            ]
            assert said[-1] == "for ann alone" and not [text for text in said if "bob" in text]

    run(main())
    page = browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/chat", timeout=60)
    assert page.status_code == 200 and "<title>Clawdbot" in page.text
    name = page.text.partition("./assets/")[2].partition('"')[0]
    assert browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/assets/{name}", timeout=60).status_code == 200
    session = browsers["ann"].get(f"{hub.url}/user/ann/clawdbot/auth/session", timeout=60).json()
    assert (session["user"], session["mount"]) == ("ann", "jupyter")


def test_s17_whom_the_hub_lets_into_a_users_server_is_no_owner_there(hub, browsers):
    """The server's own user may do everything; others with the Hub's permission chat."""

    async def main():
        async with socket_of(hub, "ann", browsers["ann"]) as wire:
            assert set((await wire.handshake(scopes=None))["user"]["scopes"]) == set(OPERATOR_SCOPES)
        url = hub.url.replace("http", "ws", 1) + "/user/ann/clawdbot/ws"
        for forged in ({}, {"X-Clawdbot-User": "ann", "X-Clawdbot-Scopes": "operator.admin"}):
            shown = {"Authorization": f"token {ADMIN_TOKEN}", "Origin": hub.url, **forged}
            async with opened(url, additional_headers=shown) as wire:
                user = (await wire.handshake(scopes=list(OPERATOR_SCOPES)))["user"]
                assert user["name"] != "ann" and set(user["scopes"]) == GUEST_SCOPES
                with pytest.raises(WireError) as refused:
                    await wire.call("config.get")
                assert refused.value.details["reason"] == "MISSING_SCOPE"

    run(main())


def test_no_other_user_comes_in(hub, browsers):
    async def refused(user, browser, **more):
        with pytest.raises(InvalidStatus) as answer:
            async with socket_of(hub, user, browser, **more):
                pass
        return answer.value.response.status_code

    async def main():
        assert await refused("ann", browsers["bob"]) == 403
        assert await refused("ann", requests.Session()) == 403
        assert await refused("ann", browsers["ann"], Origin="http://evil.example") == 403

    run(main())
    assert browsers["bob"].get(f"{hub.url}/user/ann/clawdbot/chat", timeout=60).status_code in (403, 404)
    stranger = requests.get(f"{hub.url}/user/ann/clawdbot/chat", timeout=60, allow_redirects=False)
    assert stranger.status_code == 302 and "/hub/" in stranger.headers["Location"]


def test_s7_what_one_user_has_does_not_exist_for_another(hub, browsers):
    """Ann's ids at Bob's gateway are answered as ids that do not exist; at Ann's, Bob gets nothing at all."""
    ann, bob = browsers["ann"], browsers["bob"]
    origin = {"Origin": hub.url}

    def at(user, path):
        return f"{hub.url}/user/{user}/clawdbot/{path}"

    forged = ann.post(at("ann", "media?name=mine.csv"), data=b"a,b\n", timeout=60, headers=origin)
    assert forged.status_code == 403  # as a page of Bob's server in Ann's browser would send it: their origin is one
    ann.headers["X-XSRFToken"] = cookie_of(ann, "_xsrf", "/user/ann/")
    bob.headers["X-XSRFToken"] = cookie_of(bob, "_xsrf", "/user/bob/")
    made = ann.post(
        at("ann", "media?name=mine.csv"), data=b"a,b\n1,2\n", timeout=60, headers={**origin, "Content-Type": "text/csv"}
    )
    assert made.status_code == 201, made.text
    id_ = made.json()["mediaId"]
    nobodys = "A" * len(id_)
    assert ann.get(at("ann", f"media/{id_}"), timeout=60).status_code == 200
    for path in ("media/{}", "media/{}/thumbnail", "media/{}.0"):
        for method in ("GET", "HEAD", "POST", "DELETE", "PUT"):
            theirs, none = (
                bob.request(method, at("bob", path.format(each)), headers=origin, timeout=60) for each in (id_, nobodys)
            )
            assert theirs.status_code == none.status_code in (403, 404, 405), (method, path)
            assert theirs.text.replace(id_, "") == none.text.replace(nobodys, ""), (method, path)
            refused = bob.request(
                method, at("ann", path.format(id_)), headers=origin, timeout=60, allow_redirects=False
            )
            assert refused.status_code in (302, 401, 403, 404, 405) and b"1,2" not in refused.content, (method, path)

    async def main():
        async with socket_of(hub, "ann", ann) as hers, socket_of(hub, "bob", bob) as his:
            await hers.handshake()
            await his.handshake()
            run_id, _ = await hers.send("[[text=private]]", key="diary")
            await hers.end(run_id)
            message = (await hers.call("chat.history", {"sessionKey": "diary"}))["messages"][-1]["id"]
            for method, field, known in (
                ("chat.delete", "messageId", message),
                ("chat.branch", "messageId", message),
                ("media.saw", "mediaId", id_),
                ("agent.wait", "runId", run_id),
                ("exec.approval.resolve", "id", run_id),
            ):
                extra = {
                    "chat.delete": {"sessionKey": "diary"},
                    "chat.branch": {"sessionKey": "diary"},
                    "agent.wait": {"timeoutMs": 1},
                    "exec.approval.resolve": {"decision": "deny"},
                }.get(method, {})
                said = []
                for value in (known, "no-such-id-anywhere"):
                    try:
                        answer = await his.call(method, {**extra, field: value})
                        said.append({name: each for name, each in answer.items() if name != field})
                    except WireError as exc:
                        said.append((exc.code, exc.details.get("reason")))
                assert said[0] == said[1], method
            assert (await his.call("chat.history", {"sessionKey": "diary"}))["messages"] == []
            assert not [frame for frame in his.events if frame["event"] == "chat"]

    run(main())


def test_there_is_no_second_port_and_no_login_of_ours(hub):
    listening = set()
    for process in psutil.process_iter(["environ"]):
        if str(hub.folder) in (process.info["environ"] or {}).get("HOME", ""):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since
                listening |= {
                    connection.laddr.port
                    for connection in process.net_connections("tcp")
                    if connection.status == psutil.CONN_LISTEN
                }
    assert listening and hub.gateway_port not in listening
    for path in ("auth/login", "auth/logout"):
        assert requests.get(f"{hub.url}/user/ann/clawdbot/{path}", timeout=60, allow_redirects=False).status_code in (
            302,
            403,
            404,
        )


def test_the_command_line_and_kernels_find_the_mount_by_what_the_hub_gives_them(hub):
    server = next(
        process
        for process in psutil.process_iter(["environ", "cmdline"])
        if str(hub.folder) in (process.info["environ"] or {}).get("HOME", "")  # another Hub may run beside this one
        and process.info["environ"].get("JUPYTERHUB_USER") == "ann"
        and "jupyterhub.singleuser" in (process.info["cmdline"] or [])
    )
    # with a state directory where no gateway is, as on another machine
    given = {**server.info["environ"], "CLAWDBOT_STATE_DIR": str(Path(hub.folder, "elsewhere"))}

    def ran(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=given, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "from a terminal" in ran("-m", "clawdbot_ext", "agent", "-m", "[[text=from a terminal]]")
    assert ran("-m", "clawdbot_ext", "web", "--print").strip().endswith("/user/ann/clawdbot/")
    program = "import json, clawdbot_ext\nwith clawdbot_ext.connect() as c: print(json.dumps(c.hello['user']))"
    assert json.loads(ran("-c", program))["name"] == "ann"


# -- the gateway as a service of the Hub, for all of its users --------------------------------------------------------
@pytest.fixture(scope="module")
def visitors(hub, browsers):
    """The browsers, once they have opened the shared gateway's page, which led them to the Hub and back."""
    for browser in browsers.values():
        opened_page(hub, browser)
    return browsers


def opened_page(hub, browser):
    page = browser.get(f"{hub.url}{SERVICE}chat?session=main", timeout=60)
    assert page.status_code == 200 and "<title>Clawdbot" in page.text, page.text
    assert page.url == f"{hub.url}{SERVICE}chat?session=main"
    return page


def shared_socket(hub, browser, token=None, **more):
    shown = cookie_of(browser, "_xsrf", SERVICE) if token is None else token
    headers = {"Cookie": cookies_for(browser, SERVICE), "Origin": hub.url, **more}
    return opened(f"{hub.url.replace('http', 'ws', 1)}{SERVICE}ws?_xsrf={shown}", additional_headers=headers)


async def status_of(connecting):
    with pytest.raises(InvalidStatus) as answer:
        async with connecting:
            pass
    return answer.value.response.status_code


def test_shared_gateway_each_user_has_a_space_of_their_own(hub, visitors):
    ann, bob = visitors["ann"], visitors["bob"]

    async def main():
        async with shared_socket(hub, ann) as hers, shared_socket(hub, ann) as tab, shared_socket(hub, bob) as his:
            for wire, name in ((hers, "ann"), (tab, "ann"), (his, "bob")):
                hello = await wire.handshake(scopes=None)
                assert (hello["user"]["name"], hello["user"]["via"]) == (name, "signin")
                assert set(hello["user"]["scopes"]) == set(OPERATOR_SCOPES)
            await hers.ask("[[text=for ann alone]]")
            await tab.wait("chat", lambda payload: payload.get("state") == "final")
            said = (await tab.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert text_of(said[-1]) == "for ann alone"
            assert (await his.call("chat.history", {"sessionKey": "main"}))["messages"] == []
            assert not [frame for frame in his.events if frame["event"] == "chat"]

    run(main())
    shown = {"X-XSRFToken": cookie_of(ann, "_xsrf", SERVICE), "Origin": hub.url, "Content-Type": "text/csv"}
    made = ann.post(f"{hub.url}{SERVICE}media?name=mine.csv", data=b"a,b\n" * 50_000, timeout=60, headers=shown)
    assert made.status_code == 201, made.text
    at = f"{hub.url}{SERVICE}media/{made.json()['mediaId']}"
    assert [each.get(at, timeout=60).status_code for each in (ann, bob)] == [200, 404]


def test_shared_gateway_takes_groups_from_the_hub(hub, visitors):
    """With a change of them a user's window connects anew."""

    def told(user):
        shown = {"X-XSRFToken": cookie_of(visitors[user], "_xsrf", SERVICE)}
        session = visitors[user].get(f"{hub.url}{SERVICE}auth/session", timeout=60, headers=shown).json()
        return session["user"], session["locale"]

    assert (told("ann"), told("bob")) == (("ann", "ko"), ("bob", "en"))

    async def main():
        async with shared_socket(hub, visitors["bob"]) as wire:
            await wire.handshake()
            hub.api("post", "groups/class/users", users=["bob"])
            await wire.closed()
            assert wire.socket.close_code == 1012

    run(main())
    assert told("bob") == ("bob", "ko")


def test_s7_shared_gateway_a_page_of_another_users_server_can_do_nothing_as_its_visitor(hub, visitors):
    """Cookies go along with what such a page asks for; the token against forgery it cannot read."""
    ann, bob = visitors["ann"], visitors["bob"]
    theirs = [
        "",
        "x",
        cookie_of(bob, "_xsrf", SERVICE),
        cookie_of(ann, "_xsrf", "/user/ann/"),
        cookie_of(ann, "_xsrf", "/hub/"),
    ]
    page = {"Origin": hub.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    for token in theirs:
        shown = {**page, **({"X-XSRFToken": token} if token else {})}
        for method, path in (
            ("GET", "auth/session"),
            ("POST", "auth/session"),
            ("POST", "media?name=planted.csv"),
            ("GET", "export?key=main"),
        ):
            answer = ann.request(method, f"{hub.url}{SERVICE}{path}", headers=shown, timeout=60)
            assert (answer.status_code, answer.json().get("reason")) == (403, "FORGED"), (method, path, token)
        assert run(status_of(shared_socket(hub, ann, token, **{"Sec-Fetch-Mode": "websocket"}))) == 403, token
    shown = {**page, "X-XSRFToken": cookie_of(ann, "_xsrf", SERVICE)}
    assert ann.post(f"{hub.url}{SERVICE}auth/session", headers=shown, timeout=60).json()["user"] == "ann"
    elsewhere = {"Cookie": cookies_for(ann, SERVICE), "Origin": "http://evil.example"}
    token = cookie_of(ann, "_xsrf", SERVICE)
    url = f"{hub.url.replace('http', 'ws', 1)}{SERVICE}ws?_xsrf={token}"
    assert run(status_of(opened(url, additional_headers=elsewhere))) == 403


def test_shared_gateway_takes_tokens_of_the_hub_from_programs(hub, visitors):
    good, narrow = hub.token_of("ann", ACCESS), hub.token_of("ann", "read:users!user=ann")

    def asked(token, scheme="token"):
        return requests.get(
            f"{hub.url}{SERVICE}auth/session", headers={"Authorization": f"{scheme} {token}"}, timeout=60
        )

    assert [asked(good, scheme).json()["user"] for scheme in ("token", "Bearer")] == ["ann", "ann"]
    refused = [asked(token) for token in (narrow, "nonsense", ADMIN_TOKEN)]
    assert [(each.status_code, each.json()["reason"]) for each in refused] == [
        (403, "HUB_SCOPE"),
        (401, "NOT_SIGNED_IN"),
        (403, "HUB_SCOPE"),
    ]
    url = f"{hub.url}{SERVICE}"
    command = [
        sys.executable,
        "-m",
        "clawdbot_ext",
        "agent",
        "--url",
        url,
        "--token",
        good,
        "-m",
        "[[text=by a script]]",
    ]
    environment = {**clean_environment(hub.folder / "elsewhere"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0 and "by a script" in done.stdout, done.stderr

    async def main():
        async with shared_socket(hub, visitors["ann"]) as wire:
            await wire.handshake()
            said = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
            assert text_of(said[-1]) == "by a script"

    run(main())


def test_shared_gateway_the_operator_has_the_gateway_of_its_own(hub):
    async def main():
        shown = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        url = f"{hub.shared_url.replace('http', 'ws', 1)}{SERVICE}ws"
        async with opened(url, additional_headers=shown) as wire:
            hello = await wire.handshake(token=OPERATOR_TOKEN)
            assert hello["user"]["via"] == "token"
            assert (await wire.call("chat.history", {"sessionKey": "main"}))["messages"] == []

    run(main())


def test_shared_gateway_who_is_removed_or_logged_out_at_the_hub_is_out(hub):
    """With open sockets too; then the page leads to the Hub's login."""
    cid, dan = (hub.log_in(user, SERVICE) for user in ("cid", "dan"))

    async def main():
        async with shared_socket(hub, cid) as hers, shared_socket(hub, dan) as his:
            await hers.handshake()
            await his.handshake()
            hub.api("delete", "users/cid")
            dan.get(f"{hub.url}/hub/logout", timeout=60).raise_for_status()
            for wire in (hers, his):
                await wire.closed()
                assert wire.socket.close_code == 1008

    run(main())
    for browser in (cid, dan):
        page = browser.get(f"{hub.url}{SERVICE}chat", timeout=60)
        assert "/hub/login" in page.url


def test_shared_gateway_a_login_that_was_not_begun_here_is_refused(hub, visitors):
    other, url = requests.Session(), f"{hub.url}{SERVICE}"
    first = other.get(f"{url}chat?session=x&token=secret", timeout=60, allow_redirects=False)
    asked = dict(parse_qsl(urlsplit(first.headers["Location"]).query))
    assert asked["redirect_uri"] == f"{SERVICE}oauth_callback" and asked["client_id"] == "service-clawdbot"
    for arguments in (
        {},
        {"code": "x"},
        {"code": "x", "state": "y"},
        {"code": "x", "state": ""},
        {"error": "access_denied"},
    ):
        answer = other.get(f"{url}oauth_callback", params=arguments, timeout=60, headers={"Accept": "text/html"})
        assert answer.status_code == 403 and "<h1>" in answer.text
    begun = {"state": asked["state"]}
    wrong = [requests.Session(), other]  # another browser with this state; the right one with a code of its own making
    answers = [each.get(f"{url}oauth_callback", params={**begun, "code": "x"}, timeout=60) for each in wrong]
    assert [(each.status_code, each.json()["reason"]) for each in answers] == [
        (403, "WRONG_STATE"),
        (403, "WRONG_CODE"),
    ]


def test_shared_gateway_log_out_leads_to_the_hubs(hub):
    eve = hub.log_in("eve", SERVICE)
    shown = {"X-XSRFToken": cookie_of(eve, "_xsrf", SERVICE), "Origin": hub.url}
    session = eve.get(f"{hub.url}{SERVICE}auth/session", headers=shown, timeout=60).json()
    assert session["signOut"] == "/hub/logout"
    ended = eve.post(f"{hub.url}{SERVICE}auth/logout", headers=shown, timeout=60)
    assert (ended.status_code, ended.headers["Location"]) == (204, "/hub/logout")
    assert not [cookie.name for cookie in eve.cookies if cookie.path == SERVICE]

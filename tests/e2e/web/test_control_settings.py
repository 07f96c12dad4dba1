"""The tabs Config, Models, Approvals and Devices of the Control UI: a story each, with one gateway and one browser."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, expect

from clawdbot_ext import config
from tests.support.device import Device
from tests.support.messages_api import MessagesAPI
from tests.support.server import GatewayProcess
from tests.support.wire import Wire, opened, wired

from .control import Control, open_control
from .test_look import problems

NARROW = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway with a scripted provider."""
    with MessagesAPI() as api:
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("control") / "state",
            env={"ANTHROPIC_API_KEY": "sk-canary-key", "ANTHROPIC_BASE_URL": api.url},
            config={"models": {"providers": {"shop": {"baseUrl": "http://127.0.0.1:9/v1"}}}},
        )
        gateway.start()
        yield gateway
        gateway.stop()


@contextmanager
def another(gateway: GatewayProcess, device: Device | None = None) -> Iterator[Callable[..., object]]:
    """A client beside the page, on a loop of its own thread (Playwright's is in the way): calls a method by name."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    done = asyncio.Event()
    ready: asyncio.Future[Wire] = loop.create_future()

    async def life() -> None:
        if device is None:
            async with wired(gateway.ws_url, gateway.token) as wire:
                ready.set_result(wire)
                await done.wait()
        else:
            async with opened(gateway.ws_url) as wire:
                wire.start()
                nonce = (await wire.wait("connect.challenge"))["payload"]["nonce"]
                await wire.call("connect", device.connect(nonce, token=gateway.token))
                ready.set_result(wire)
                await done.wait()

    living = asyncio.run_coroutine_threadsafe(life(), loop)

    async def call(method: str, params: object = None, wait: bool = True) -> object:
        wire = await ready
        asked = asyncio.ensure_future(wire.call(method, params or {}))
        return await asked if wait else asked

    try:
        yield lambda *args, **kw: asyncio.run_coroutine_threadsafe(call(*args, **kw), loop).result(60)
    finally:
        loop.call_soon_threadsafe(done.set)
        living.result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def field(control: Control, name: str) -> Locator:
    return control.pane.locator(f"[data-setting='{name}']")


def fits(control: Control) -> bool:
    """Nothing in the tab is wider than the window."""
    return bool(control.pane.evaluate("pane => pane.scrollWidth <= pane.clientWidth"))


def test_a_setting_is_found_changed_and_never_written_over_unseen(visit, there):
    control = open_control(visit, there, "config?q=queue", bypass_csp=True)
    path = there.home / "config.json"
    row = field(control, "session.maxQueued")
    expect(row).to_contain_text("How many messages may wait in one session.")
    expect(row).to_contain_text("default: 20")
    expect(field(control, "gateway.port")).to_have_count(0)

    # A wrong value is refused beside its field with the nearest right one, and nothing is written.
    before = path.read_text()
    control.page.get_by_label("session.maxQueued", exact=True).fill("5000")
    control.pane.get_by_role("button", name="Save").click()
    expect(row.get_by_role("alert")).to_contain_text("It must be between 0 and 1000.")
    expect(control.page.get_by_label("session.maxQueued", exact=True)).to_be_focused()
    assert path.read_text() == before
    row.get_by_role("button", name="Use 1000").press("Enter")
    expect(row.get_by_role("alert")).to_have_count(0)

    # Another program changes the same value meanwhile: both are shown, and this one is written only then.
    config.set_value(path, "session.maxQueued", 3)
    expect(row.get_by_role("alert")).to_contain_text("changed meanwhile")
    expect(row.locator(".config-both dd").nth(0)).to_have_text("3")
    expect(row.locator(".config-both dd").nth(1)).to_have_text("1000")
    control.pane.get_by_role("button", name="Save").click()
    expect(control.pane).to_contain_text("first choose which value holds")
    assert json.loads(path.read_text())["session"] == {"maxQueued": 3}
    row.get_by_role("button", name="Keep mine").click()
    control.pane.get_by_role("button", name="Save").click()
    expect(control.pane.locator(".config-foot")).to_have_count(0)
    expect(row).to_contain_text("from the file")
    assert json.loads(path.read_text())["session"] == {"maxQueued": 1000}

    # What only the owner's machine changes has its command; a secret is never there.
    search = control.pane.get_by_role("searchbox")
    search.fill("gateway.port")
    port = field(control, "gateway.port")
    expect(port).to_contain_text("from the command line")
    port.get_by_text("Change it on the gateway’s machine").click()
    expect(port).to_contain_text(f"clawdbot config set gateway.port {there.port}")
    search.fill("apiKey")
    key = field(control, "models.providers.anthropic.apiKey")
    expect(key).to_contain_text("set (never shown)")
    assert "sk-canary-key" not in control.page.content()
    assert problems(control.chat) == []

    # A value that waits for a restart says so and offers it.
    search.fill("logging.level")
    control.page.get_by_label("logging.level").select_option("debug")
    control.pane.get_by_role("button", name="Save").click()
    expect(control.pane.locator(".config-restart")).to_contain_text("logging.level")
    control.pane.get_by_role("button", name="Restart the gateway").click()
    expect(control.page.get_by_role("dialog")).to_contain_text("Restart the gateway?")
    control.page.get_by_role("button", name="Cancel").click()

    # The text: a mistake is told, a file that changed meanwhile stands beside, megabytes are refused here.
    control.pane.get_by_role("radio", name="File as text (JSON5)").check()
    text = control.pane.locator("textarea.raw")
    expect(text).to_have_value(re.compile('"maxQueued": 1000'))
    whole = text.input_value()
    text.fill(whole.replace("maxQueued", "maxQueud"))
    control.pane.get_by_role("button", name="Save the file").click()
    expect(control.pane.locator("#raw-fault")).to_contain_text("did you mean session.maxQueued?")
    text.fill(f"// by hand\n{whole.replace('1000', '4')}")
    config.set_value(path, "session.maxQueued", 9)
    both = control.pane.locator(".config-both")
    expect(both).to_contain_text('"maxQueued": 9')
    expect(control.pane.get_by_role("button", name="Save the file")).to_be_disabled()
    both.get_by_role("button", name="Keep mine").click()
    control.pane.get_by_role("button", name="Save the file").click()
    expect(control.pane.get_by_role("button", name="Save the file")).to_have_count(0)
    assert "// by hand" in path.read_text()
    assert config.parse(path.read_text())["session"] == {"maxQueued": 4}
    expect(control.pane).to_contain_text("Its comments are not shown")
    text.evaluate("field => { field.value = '1'.repeat(5_000_000); field.dispatchEvent(new Event('input')); }")
    control.pane.get_by_role("button", name="Save the file").click()
    expect(control.pane.locator("#raw-fault")).to_contain_text("1,000,000 characters")


def test_a_provider_is_tested_by_a_real_reply_and_the_default_model_is_chosen(visit, there):
    config.set_value(there.home / "config.json", "models.providers.shop.baseUrl", "http://127.0.0.1:9/v1")
    control = open_control(visit, there, "models", bypass_csp=True)
    anthropic = control.pane.locator("[data-provider=anthropic]")
    expect(anthropic).to_contain_text("from $ANTHROPIC_API_KEY")
    anthropic.get_by_role("button", name="Test anthropic").click()
    expect(anthropic.get_by_role("status")).to_contain_text(re.compile(r"answered in .* \(\d+ tokens\)"))
    shop = control.pane.locator("[data-provider=shop]")
    shop.get_by_role("button", name="Test shop").click()
    expect(shop.get_by_role("status").locator(".fault")).to_be_visible()
    expect(control.pane.get_by_role("table")).to_contain_text("$2")

    choice = control.page.get_by_label("Default model")
    model = choice.locator("option").nth(1).get_attribute("value")
    choice.select_option(model)
    expect(control.page.get_by_text("Sessions without a model of their own")).to_be_visible()
    assert json.loads((there.home / "config.json").read_text())["agents"]["defaults"]["model"] == model

    # One more is tried before it is added; where its conversations go is the owner's to say.
    control.pane.get_by_text("Add a provider").click()
    control.page.get_by_label("Name", exact=True).fill("my shop")
    control.pane.locator(".models-add").get_by_role("button", name="Test").click()
    expect(control.pane.locator(".models-add .fault")).to_contain_text("letters, digits")
    control.page.get_by_label("Name", exact=True).fill("lab")
    control.page.get_by_label(re.compile("Address")).fill("http://127.0.0.1:9")
    control.page.get_by_label(re.compile("Key, if")).fill("sk-other")
    control.pane.locator(".models-add").get_by_role("button", name="Test").click()
    expect(control.pane.locator(".models-commands")).to_contain_text(
        "clawdbot config set models.providers.lab.baseUrl 'http://127.0.0.1:9'"
    )
    assert "sk-other" not in control.pane.inner_text()
    assert problems(control.chat) == []
    control.page.set_viewport_size(NARROW)
    assert fits(control)


def test_what_waits_is_decided_and_rules_are_revoked_before_two_people(visit, there):
    control = open_control(visit, there, "approvals", bypass_csp=True, locale="ko-KR")
    expect(control.pane).to_contain_text("기다리는 요청이 없어요")
    second = open_control(visit, there, "approvals", viewport=NARROW)
    with another(there) as call:
        rules = {"version": 1, "agents": {"main": {"allowlist": [{"pattern": "ls <b>"}]}}}
        call("exec.approvals.set", {"file": rules})
        call("exec.approval.request", {"command": "rm -rf /tmp/x", "cwd": "/work", "id": "q1"}, wait=False)
        card = control.pane.locator("[data-approval=q1]")
        expect(card).to_contain_text("rm -rf /tmp/x")
        expect(card).to_contain_text("/work")
        expect(control.pane).to_contain_text("ls <b>")
        assert problems(control.chat) == []
        expect(second.pane.locator("[data-approval=q1]")).to_be_visible()
        second.pane.get_by_role("button", name="Deny").click()
        expect(control.pane.locator("[data-approval=q1]")).to_have_count(0)
        expect(control.pane.get_by_role("table")).to_contain_text("rm -rf /tmp/x")
        expect(control.pane.get_by_role("table")).to_contain_text("거절")
        second.pane.get_by_role("button", name="Revoke ls <b>").click()
        expect(control.pane.locator(".approvals-rules li")).to_have_count(0)
        assert call("exec.approvals.get")["file"]["agents"]["main"]["allowlist"] == []
    assert fits(second)


def test_devices_are_let_in_named_and_revoked_and_clients_have_addresses(visit, there):
    device = Device()
    control = open_control(visit, there, "devices", bypass_csp=True, color_scheme="dark")
    expect(control.pane.get_by_role("table")).to_contain_text("127.0.0.1")
    expect(control.pane.get_by_role("table")).to_contain_text("this page")
    with another(there) as call, another(there, device):
        call("node.pair.request", {"nodeId": "pi", "displayName": "Pi <i>", "platform": "linux"})
        asked = control.pane.locator("[data-request]")
        expect(asked).to_contain_text("Pi <i>")
        asked.get_by_role("button", name="Let Pi <i> in").click()
        expect(control.pane.locator(".devices-token")).to_contain_text("shown this once")
        control.pane.get_by_role("button", name="I have it").click()
        expect(asked).to_have_count(0)

        card = control.pane.locator(f"[data-device='{device.id}']")
        card.get_by_role("button", name=re.compile("Rename")).press("Enter")
        card.get_by_role("textbox").fill("Desk")
        card.get_by_role("textbox").press("Enter")
        expect(card.get_by_role("heading")).to_contain_text("Desk")
        expect(card.get_by_role("button", name="Rename Desk")).to_be_focused()
        call("device.rename", {"deviceId": device.id, "displayName": "Desk of Ann"})
        expect(card.get_by_role("heading")).to_contain_text("Desk of Ann")
        assert problems(control.chat) == []

        card.get_by_role("button", name="Revoke operator of Desk of Ann").click()
        control.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(card).to_have_count(0)
        control.pane.get_by_role("button", name="Forget Pi <i>").click()
        control.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
        expect(control.pane.locator("[data-node=pi]")).to_have_count(0)
        assert call("device.pair.list")["paired"] == []
    control.page.set_viewport_size(NARROW)
    assert fits(control)

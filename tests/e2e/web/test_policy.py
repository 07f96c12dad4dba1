"""The page shows no door that the administrator has locked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .control import open_control

pytestmark = pytest.mark.slow


def test_what_is_switched_off_is_not_offered(visit, make_gateway):
    locked = ["uploads", "files", "temporary", "export", "settings"]
    gateway = make_gateway(config={"policy": {"disabled": locked}})
    chat = visit(gateway).ready()
    page = chat.page
    expect(page.get_by_role("button", name="New session")).to_be_visible()
    expect(page.get_by_role("button", name="Commands and prompts")).to_be_visible()
    expect(page.get_by_role("button", name="New temporary chat")).to_have_count(0)
    expect(page.get_by_label("Attach files")).to_have_count(0)
    expect(page.get_by_role("button", name="Mention a file on the server")).to_have_count(0)
    expect(page.get_by_role("button", name="Connect Claude")).to_have_count(0)
    control = open_control(visit, gateway, "config")
    expect(control.pane).to_contain_text("The administrator has switched this off (policy.disabled: settings).")
    expect(control.tab("Overview")).to_be_visible()
    expect(control.tab("Config")).to_have_count(0)

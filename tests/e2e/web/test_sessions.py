"""Several conversations: new, switch, rename, start over, clear, delete, restore."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def chat(visit, make_gateway):
    chat = visit(make_gateway()).ready()
    chat.ask("[[text=In main.]] about cats")
    return chat


def test_new_switch_and_back_by_the_browser(chat):
    chat.new()
    expect(chat.composer).to_be_focused()
    chat.ask("[[text=In the other.]] about dogs")
    expect(chat.sessions).to_have_count(2)
    chat.sessions.filter(has_text="Main session").click()
    expect(chat.replies).to_have_text("In main.")
    chat.page.go_back()
    expect(chat.replies).to_have_text("In the other.")
    chat.page.reload()
    expect(chat.replies).to_have_text("In the other.")


def test_the_command_new_switches(chat):
    chat.send("/new")
    expect(chat.page.locator(".greeting")).to_be_visible()
    expect(chat.sessions).to_have_count(2)
    assert "session=" in chat.page.url


def test_rename(chat):
    chat.act("Main session", "Rename")
    field = chat.page.get_by_label("Rename")
    expect(field).to_be_focused()
    field.fill("고양이 이야기")
    field.press("Enter")
    expect(chat.sessions).to_have_text(re.compile("고양이 이야기"))
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("고양이 이야기")
    chat.act("고양이 이야기", "Rename")
    field.fill("no")
    field.press("Escape")
    expect(chat.sessions).to_have_text(re.compile("고양이 이야기"))


def test_find_by_title(chat):
    chat.new()
    chat.ask("[[text=x]] about dogs")
    chat.page.get_by_placeholder("Search").fill("DOGS")
    expect(chat.sessions).to_have_count(1)
    chat.page.get_by_placeholder("Search").fill("nothing like it")
    expect(chat.page.get_by_text("No matching session.")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.sessions).to_have_count(2)


def test_start_over_and_restore_the_archived_conversation(chat):
    chat.act("Main session", "Start over")
    expect(chat.page.locator(".greeting")).to_be_visible()
    expect(chat.toast).to_contain_text("archived")
    chat.ask("[[text=New start.]]")
    chat.act("Main session", "Earlier conversations")
    dialog = chat.page.get_by_role("dialog", name="Earlier conversations")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    dialog.get_by_role("button", name="Restore").click()
    expect(chat.replies).to_have_text("In main.")


def test_clear_and_undo(chat):
    chat.act("Main session", "Clear")
    expect(chat.turns).to_have_count(0)
    chat.toast.get_by_role("button", name="Undo").click()
    expect(chat.replies).to_have_text("In main.")
    expect(chat.mine).to_have_count(1)


def test_the_command_clear_can_be_undone_as_well(chat):
    chat.send("/clear")
    expect(chat.turns).to_have_count(0)
    expect(chat.toast).to_have_count(1)
    chat.toast.get_by_role("button", name="Undo").click()
    expect(chat.replies).to_have_text("In main.")


def test_delete_can_be_undone_and_the_main_session_cannot_be_deleted(chat):
    chat.new()
    chat.ask("[[text=Woof.]] about dogs")
    chat.act("about dogs", "Delete")
    expect(chat.sessions).to_have_count(1)
    expect(chat.replies).to_have_text("In main.")
    expect(chat.toast).to_have_count(1)
    chat.toast.get_by_role("button", name="Undo").click()
    expect(chat.replies).to_have_text("Woof.")
    expect(chat.sessions).to_have_count(2)
    chat.page.locator(".sessions li", has_text="Main session").locator(".session-more").click(force=True)
    expect(chat.page.get_by_role("menuitem", name="Clear")).to_be_visible()
    expect(chat.page.get_by_role("menuitem", name="Delete")).to_have_count(0)


def test_pinned_stays_on_top_archived_is_put_away_and_a_copy_goes_its_own_way(chat):
    chat.new()
    chat.ask("[[text=Woof.]] about dogs")
    chat.act("Main session", "Pin")
    expect(chat.sessions.first).to_contain_text("Main session")
    expect(chat.page.get_by_role("list", name="Pinned")).to_be_visible()
    chat.act("about dogs", "Duplicate")
    expect(chat.page.get_by_role("heading", level=1)).to_contain_text("(copy)")
    expect(chat.replies).to_have_text("Woof.")
    chat.ask("[[text=Only in the copy.]]")
    chat.sessions.filter(has_text="Main session").click()
    chat.act("(copy)", "Archive")
    expect(chat.toast).to_contain_text("archived")
    expect(chat.page.locator(".archived .session")).to_be_hidden()
    chat.page.locator(".archived summary").click()
    expect(chat.page.locator(".archived .session")).to_contain_text("(copy)")
    chat.toast.get_by_role("button", name="Undo").click()
    expect(chat.page.locator(".archived")).to_have_count(0)
    chat.sessions.filter(has_not_text="copy").filter(has_text="about dogs").click()
    expect(chat.replies).to_have_count(1)


def test_unused_sessions_do_not_clutter_and_initial_consonants_find_a_title(chat):
    chat.act("Main session", "Rename")
    chat.page.get_by_label("Rename").fill("고양이 이야기")
    chat.page.keyboard.press("Enter")
    chat.send("/new")
    expect(chat.page.locator(".greeting")).to_be_visible()
    expect(chat.sessions).to_have_count(2)
    chat.sessions.filter(has_text="고양이").click()
    expect(chat.sessions).to_have_count(1)
    for typed in ("ㄱㅇㅇ", "고야", "이ㅇ"):
        chat.page.get_by_placeholder("Search").fill(typed)
        expect(chat.sessions).to_have_text(re.compile("고양이 이야기"))
    chat.page.get_by_placeholder("Search").fill("ㄱㄴㄷ")
    expect(chat.page.get_by_text("No matching session.")).to_be_visible()


def test_instructions_model_and_thinking_belong_to_the_session(chat):
    chat.act("Main session", "Instructions")
    dialog = chat.page.get_by_role("dialog", name="Instructions and temperature")
    dialog.get_by_label("Instructions for the model").fill("Be brief.")
    dialog.get_by_label("Temperature").fill("0.5")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    chat.page.locator("button.model").click()
    menu = chat.page.get_by_role("dialog", name="Model and thinking")
    expect(menu.get_by_role("radio", name="Automatic")).to_be_checked()
    menu.get_by_role("radio", name="High").check()
    expect(chat.page.locator("button.model .level")).to_be_visible()
    menu.get_by_role("button", name="Instructions").click()
    expect(dialog.get_by_label("Instructions for the model")).to_have_value("Be brief.")
    expect(dialog.get_by_label("Temperature")).to_have_value("0.5")


def test_the_palette_goes_to_sessions_and_does_things_by_keyboard(chat):
    chat.new()
    chat.ask("[[text=Woof.]] about dogs")
    chat.page.keyboard.press("Control+k")
    field = chat.page.get_by_role("combobox", name="Go to")
    expect(field).to_be_focused()
    field.fill("main")
    field.press("Enter")
    expect(chat.replies).to_have_text("In main.")
    chat.page.keyboard.press("Control+k")
    field.fill("shortcuts")
    field.press("Enter")
    expect(chat.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("Control+k")
    field.fill("/sta")
    field.press("Enter")
    expect(chat.composer).to_have_value("/status ")
    chat.write("")
    chat.composer.press("?")
    expect(chat.composer).to_have_value("?")


def test_an_answer_elsewhere_is_marked_until_it_is_read(chat):
    chat.new()
    chat.send("[[tokens=60]] [[delay_ms=50]] about dogs")
    expect(chat.streaming).to_contain_text("t1")
    chat.sessions.filter(has_text="Main session").click()
    dogs = chat.sessions.filter(has_text="about dogs")
    expect(dogs.get_by_role("img", name="Answering")).to_be_visible()
    expect(dogs.get_by_role("img", name="New answer")).to_be_visible(timeout=10_000)
    dogs.click()
    expect(dogs.locator(".dot")).to_have_count(0)
    expect(chat.replies).to_contain_text("t59")


def test_a_change_in_one_tab_shows_in_the_other(chat, visit):
    other = visit(chat.gateway).ready()
    chat.act("Main session", "Rename")
    chat.page.get_by_label("Rename").fill("Ours")
    chat.page.keyboard.press("Enter")
    expect(other.sessions).to_have_text(re.compile("Ours"))
    chat.act("Ours", "Clear")
    expect(other.turns).to_have_count(0)


def test_an_exported_conversation_is_imported_and_a_temporary_one_leaves_nothing(chat, tmp_path):
    chat.act("Main session", "Export")
    with chat.page.expect_download() as download:
        chat.page.get_by_role("button", name="JSON").click()
    path = tmp_path / "conversation.json"
    download.value.save_as(path)
    chat.page.get_by_role("button", name="New temporary chat").click()
    expect(chat.page.locator(".header .badge")).to_have_text("Temporary")
    chat.ask("[[text=Off the record.]]")
    assert b"Off the record." not in (chat.gateway.home / "gateway.sqlite3").read_bytes()
    chat.page.get_by_role("button", name="Settings").click()
    chat.page.locator("dialog.settings input[type=file]").set_input_files(path)
    expect(chat.toast.filter(has_text="2 messages imported")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.replies).to_have_text("In main.")

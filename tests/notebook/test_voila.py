"""``ChatWidget`` in a real page of Voila: the program, its page in Chromium, a kernel of its own and a real gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.http import ask
from tests.support.server import ROOT, free_port
from tests.support.tools import require

pytestmark = [pytest.mark.slow, pytest.mark.browser]
START_S, PATIENCE_MS = 120.0, 60_000
CELL = "from clawdbot_ext import ChatWidget\nChatWidget('visitor')"


def test_the_extension_needs_no_module_that_voilas_page_lacks() -> None:
    """The page of Voila shares no launcher and no status bar; a copy of each goes along, and is fetched there only: its
    number is below that of any Lab's, else Lab itself would run it in the place of its own."""
    package = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    shared = package["jupyterlab"]["sharedPackages"]
    copy = {"bundled": True, "singleton": True, "version": "0.0.1", "requiredVersion": False}
    assert all(shared[f"@jupyterlab/{name}"] == copy for name in ("launcher", "statusbar"))


@pytest.fixture
def voila(tmp_path, home) -> Iterator[str]:
    """The address of the page."""
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": CELL}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
    (tmp_path / "page.ipynb").write_text(json.dumps(notebook))
    port = free_port()
    program = [sys.executable, "-m", "voila", "page.ipynb", "--no-browser", f"--port={port}"]
    extensions = tmp_path / "share" / "labextensions"  # a copy: Voila serves no extension that is a symbolic link
    shutil.copytree(ROOT / "clawdbot_ext" / "_labextension", extensions / "jupyter-clawdbot")
    environment = {**home.environment, "JUPYTER_PATH": str(tmp_path / "share")}
    with open(tmp_path / "voila.log", "wb") as log:
        process = subprocess.Popen(program, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_S
        while not answers(port):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "voila.log").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


def answers(port: int) -> bool:
    try:
        return ask(port, path="/voila/static/").status > 0
    except OSError:
        return False


def test_r13_a_real_page_of_voila_shows_the_chat_of_one_session_and_it_answers(voila) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(voila)
        chat = page.locator("clawdbot-chat")
        expect(chat).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_text("Connected through the kernel")).to_be_visible(timeout=PATIENCE_MS)
        chat.locator("#composer").fill("From a visitor [[text=Welcome.]]")
        chat.locator("#composer").press("Enter")
        answer = chat.locator("clawdbot-message").get_by_text("Welcome.", exact=True)
        expect(answer).to_be_visible(timeout=PATIENCE_MS)
        assert all(chat.locator(part).is_hidden() for part in (".header", "clawdbot-sidebar"))
        browser.close()

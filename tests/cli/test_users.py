"""``clawdbot users``: on the operator's files or database, beside a store that is open and without one."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from clawdbot_ext import config
from clawdbot_ext.cli import exit_codes, printing
from clawdbot_ext.cli.program import program
from clawdbot_ext.cluster.spaces import SpaceRegistry
from clawdbot_ext.gateway.runs.budget import Period
from clawdbot_ext.protocol.clock import now_ms
from clawdbot_ext.runtime import gateway_lock
from clawdbot_ext.server.users.principals import slug_of
from clawdbot_ext.store.postgres.spaces import schema_of, stored_spaces
from clawdbot_ext.store.postgres.store import PostgresStore
from clawdbot_ext.store.sqlite import SqliteStore
from tests.store.kit import read, say

ALICE, KIM = "alice@example.com", "김철수"
BOUND_S = 120.0


class Server:
    """A state directory with spaces of two users; the operator's store is open while the block of ``beside`` runs."""

    def __init__(self, state: Path, url: str = ""):
        self.state, self.url, self.home = state, url, state / "jupyter"
        self.slugs = {name: slug_of(name) for name in (ALICE, KIM)}

    def store(self, slug: str | None = None):
        if self.url:
            return PostgresStore(self.url, exclusive=False, schema=None if slug is None else schema_of(slug))
        return SqliteStore((self.home if slug is None else self.home / "users" / slug) / "gateway.sqlite3")

    async def fill(self) -> None:
        base = self.store()
        await base.open()
        registry = SpaceRegistry(base)
        for name, slug in self.slugs.items():
            await registry.opened(slug, name, ["students"])
            store = self.store(slug)
            await store.open()
            await say(store, f"hello {name}")
            spent = {"input": 1000, "output": 500, "cost": {"total": 0.25}}
            await store.add_usage("agent:main:main", "", provider="p", model="m", spent=spent, now=now_ms())
            await store.close()
            own = self.home / "users" / slug / "media" / "a.txt"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(name)
            await registry.closed(slug)
        await base.close()

    def beside(self, work):
        """The result of ``work`` while a gateway has the operator's store open."""

        async def main():
            base = self.store()
            await base.open()
            try:
                return await asyncio.to_thread(work), await SpaceRegistry(base).spaces()
            finally:
                await base.close()

        return asyncio.run(asyncio.wait_for(main(), BOUND_S))

    def settings(self):
        return config.load({"CLAWDBOT_STATE_DIR": str(self.state)})


@pytest.fixture(autouse=True)
def _no_midnight(monkeypatch):
    long = Period(0, 4_102_444_800_000)
    monkeypatch.setattr("clawdbot_ext.cli.users.running", lambda now: (long, long))


def filled(state: Path, url: str = "") -> Server:
    made = Server(state, url)
    made.home.mkdir(parents=True)
    asyncio.run(asyncio.wait_for(made.fill(), BOUND_S))
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A filled state directory, of which each test gets a copy."""
    return filled(tmp_path_factory.mktemp("users") / "state").state


@pytest.fixture
def server(files, tmp_path, monkeypatch):
    state = tmp_path / "state"
    shutil.copytree(files, state)
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(state))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Server(state)


@pytest.fixture
def database_server(tmp_path, monkeypatch, postgres_url):
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("CLAWDBOT_STORAGE_URL", postgres_url)
    return filled(tmp_path / "state", postgres_url)


def clawdbot(*arguments: str, code: int = 0, given: str | None = None) -> str:
    done = CliRunner().invoke(program, arguments, input=given)
    ended, output = done.exit_code, done.output
    if isinstance(done.exception, exit_codes.EXPECTED):  # as ``program.run`` tells it
        ended, output = exit_codes.explain(done.exception)
    assert ended == code, output
    return output


def found(*arguments: str):
    """The JSON on standard output."""
    done = CliRunner().invoke(program, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["server", "database_server"])
def test_a_space_is_looked_at_and_removed_with_an_archive_while_the_gateway_runs(kind, request):
    server = request.getfixturevalue(kind)

    def look_and_remove():
        rows = found("users", "list")
        assert [row["name"] for row in rows] == [ALICE, KIM]
        assert {(row["month"]["cost"], row["month"]["tokens"], row["open"], row["blocked"]) for row in rows} == {
            (0.25, 1500, False, False)
        }
        assert all(row["bytes"] > 1000 and row["groups"] == ["students"] for row in rows)
        return found("users", "remove", KIM, "--yes")

    removed, left = server.beside(look_and_remove)
    assert [space.name for space in left] == [ALICE]
    assert not (server.home / "users" / server.slugs[KIM]).exists()
    if server.url:
        assert server.slugs[KIM] not in stored_spaces(server.url)
    archive = Path(removed["archive"])
    assert archive.parent == server.home / "users" / "removed" and archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        tar.extractall(server.state / "unpacked", filter="data")
    unpacked = server.state / "unpacked" / server.slugs[KIM]
    assert json.loads((unpacked / "user.json").read_text())["name"] == KIM
    assert (unpacked / "media" / "a.txt").read_text() == KIM

    async def said():
        store = SqliteStore(unpacked / "gateway.sqlite3")
        await store.open()
        try:
            return await read(store)
        finally:
            await store.close()

    assert asyncio.run(said()) == [f"hello {KIM}"]
    assert f"Did you mean {ALICE}?" in clawdbot("users", "show", "alice@example.org", code=1)


def test_settings_of_users_are_written_shown_and_taken_out(server):
    assert "is 5 for *" in clawdbot("users", "set", "*", "limits.monthlyCost", "5")
    clawdbot("users", "set", "@students", "limits.dailyTokens", "2000")
    clawdbot("users", "set", ALICE, "models.allowed", '["haiku"]')
    secret = clawdbot("users", "set", ALICE, "models.providers.anthropic.apiKey", given="sk-own\n")
    assert "sk-own" not in secret.splitlines()[-1]
    assert server.settings()["users.settings"] == {
        "*": {"limits.monthlyCost": 5.0},
        "@students": {"limits.dailyTokens": 2000},
        ALICE: {"models.allowed": ("haiku",), "models.providers.anthropic.apiKey": "sk-own"},
    }
    shown = found("users", "show", ALICE)
    assert shown["settings"]["models.providers.anthropic.apiKey"] == "__REDACTED__"
    assert {limit["limit"]: limit["left"] for limit in shown["limits"]} == {
        "limits.dailyTokens": 500,
        "limits.monthlyCost": 4.75,
    }
    told = clawdbot("users", "show", ALICE)
    assert "$4.75 of $5.00" in told and "haiku" in told and "sk-own" not in told
    assert "bob has no space yet" in clawdbot("users", "set", "bob", "ui.locale", "ko")
    clawdbot("users", "unset", ALICE, "models.allowed")
    clawdbot("users", "unset", ALICE)
    assert "is not set" in clawdbot("users", "unset", ALICE, code=2)
    assert set(server.settings()["users.settings"]) == {"*", "@students", "bob"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((ALICE, "limits.monthlyCost", "much"), "must be a number"),
        ((ALICE, "limits.monthlycost", "5"), "limits.monthlyCost"),
        ((ALICE, "gateway.port", "1"), "users.settings"),
        (("@", "ui.locale", "ko"), "users.settings"),
    ],
)
def test_what_cannot_be_set_for_a_user_is_refused(server, arguments, told):
    assert told in clawdbot("users", "set", *arguments, code=2)
    assert not server.settings()["users.settings"]


def test_a_user_is_kept_out_and_let_in_again(server):
    clawdbot("users", "block", KIM)
    clawdbot("users", "block", "@guests")
    clawdbot("users", "block", KIM)
    assert server.settings()["users.blocked"] == ("@guests", KIM)
    assert "blocked" in clawdbot("users", "list")
    clawdbot("users", "unblock", KIM)
    assert "is not in it" in clawdbot("users", "unblock", KIM, code=2)
    assert server.settings()["users.blocked"] == ("@guests",)


def test_a_space_that_is_open_is_not_removed(server):
    home = server.home / "users" / server.slugs[ALICE]
    lock = gateway_lock.acquire(config.Config(home, home, home / "config.json", {}, {}))
    assert lock is not None
    try:
        assert f"clawdbot users block {ALICE}" in clawdbot("users", "remove", ALICE, "--yes", code=1)
        assert found("users", "show", ALICE)["open"]
    finally:
        lock.release()
    assert "Aborted" in clawdbot("users", "remove", ALICE, code=1, given="n\n") and home.exists()


def test_without_spaces_it_says_so_in_korean_too(tmp_path, monkeypatch):
    monkeypatch.setenv("CLAWDBOT_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(printing, "_language", lambda: "ko")
    assert "아직 공간이 있는 사용자가 없어요" in clawdbot("users", "list")
    assert "공간이 없는 사용자예요" in clawdbot("users", "show", "x", code=1)

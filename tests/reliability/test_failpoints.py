"""``kill -9`` at every named place of the code: nothing acknowledged is lost, nothing done twice, all ends."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawdbot_ext.client import limits
from clawdbot_ext.client.reply import ReplyEnd
from clawdbot_ext.gateway.sessions.importer import BATCH
from clawdbot_ext.protocol.revision import revision
from clawdbot_ext.store import backup_files, backups, failpoints
from tests.support.failing import FailingGateway, history, jsonl
from tests.support.media import upload
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.server import ROOT
from tests.support.strict_api import StrictAPI, call, wants
from tests.support.wire import run, text_of, wired

pytestmark = pytest.mark.slow

SENDING = {
    "store.write": "final",
    "store.commit": "final",
    "store.committed": "error",
    "response.send": "error",
    "response.sent": "error",
    "run.started": "error",
    "run.begin": "error",
    "provider.call": "error",
    "run.flushed": "error",
    "run.end": "error",
    "end.stored": "final",
}
"""Places that a send passes, and what its sender is told in the end: a reply, or that it was cut off."""
WAITING = (
    ("queue.start", "wait"),
    ("run.started", "wait"),
    ("queue.edited", "edit"),
    ("end.stored", "stop"),
    ("end.stored", "fold"),
)
"""Places that a send in line passes, and what is done to it there."""
CALLING = (
    ("step.store", "before"),
    ("step.stored", "before"),
    ("tool.call", "before"),
    ("approval.use", "before"),
    ("approval.used", "before"),
    ("change.made", "during"),
    ("change.stored", "during"),
    ("tool.called", "during"),
    ("step.store", "during"),
    ("step.stored", "during"),
)
"""Places that a tool call passes, armed before it is made or while the notebook is being changed."""
UNDOING = ("undo.made", "undo.stored")
UPLOADING = ("media.place", "media.placed", "media.kept")
COPYING = ("fork.copy", "fork.copied")
SAVING = ("backup.written", "backup.placed")
REST = ("store.read", "import.stored")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailingGateway]:
    with StrictAPI() as api:
        made = FailingGateway(tmp_path_factory.mktemp("failing"), api)
        yield made
        made.close()


def test_every_place_has_a_name_and_is_tried() -> None:
    # Each engine has the places of the store: ``threads`` those of SQLite, ``jobs`` those of PostgreSQL.
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in (ROOT / "clawdbot_ext").rglob("*.py")]
    found = [(file, name) for file, text in texts for name in re.findall(r'failpoints\.hit\("([^"]+)"\)', text)]
    placed = [name for file, name in found if file != "jobs.py"]
    assert sorted(placed) == sorted(failpoints.POINTS)
    assert {name for file, name in found if file == "jobs.py"} == {name for file, name in found if file == "threads.py"}
    tried = {*SENDING, *UNDOING, *UPLOADING, *COPYING, *SAVING, *REST, *(point for point, _ in WAITING + CALLING)}
    assert tried == set(failpoints.POINTS)


@pytest.mark.parametrize("point", SENDING)
def test_a_send_has_one_effect_and_an_end_and_the_client_sends_it_again_under_its_key(
    failing: FailingGateway, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_S", 0.05)
    monkeypatch.setattr(limits, "BACKOFF_MAX_S", 0.1)
    delay = 40 if point == "run.flushed" else 0
    sends = [(f"{point} {n}", f"[[tokens=8]] [[delay_ms={delay}]] {n} at {point}") for n in range(3)]

    async def main() -> None:
        ends: dict[str, str] = {}
        async with failing.client() as client:

            async def ask(number: int) -> None:
                run_id, text = sends[number]
                async for item in client.ask(text, session_key=point, run_id=run_id):
                    if isinstance(item, ReplyEnd):
                        ends[run_id] = item.state

            await ask(0)
            failing.arm(point)
            asking = asyncio.create_task(ask(1))
            await failing.dies()
            stored = {row[0] for row in failing.rows("SELECT run_id FROM runs")}
            assert client.acknowledged <= stored, "acknowledged, and not on the disk"
            await failing.start()
            await asking
            await ask(2)
            again = [sent for sent in client.sent if sent["idempotencyKey"] == sends[1][0]]
            assert len(again) == 2 and again[0] == again[1]
        assert list(ends.values()) == ["final", SENDING[point], "final"]
        async with wired(failing.gateway.ws_url, failing.gateway.token) as wire:
            await failing.check(wire, point, sends)

    run(main())


@pytest.mark.parametrize(("point", "act"), WAITING)
def test_a_line_of_waiting_sends_keeps_its_order_and_what_was_done_to_it(
    failing: FailingGateway, point: str, act: str
) -> None:
    node, gateway = NotebookNode([notebook("a.ipynb", "x = 1")]), failing.gateway
    key, folds = f"{act} at {point}", act == "fold"
    texts = [wants(call("notebook_read", path="a.ipynb")) + key, f"1 {key}", f"2 {key}"]
    sends = [(f"{key} {n}", text) for n, text in enumerate(texts)]

    async def main() -> None:
        async with (
            node.connected(gateway.ws_url, gateway.token, instance=key),
            HandsGateway(gateway, failing.api).person(key) as person,
        ):
            wire, expected = person.wire, list(sends)
            taken: asyncio.Event = asyncio.Event()
            reading: asyncio.Event = asyncio.Event()

            async def hold() -> None:
                reading.set()
                await taken.wait()

            node.before_answer["notebook.read"] = hold
            await wire.send(texts[0], key=key, run_id=sends[0][0])
            await asyncio.wait_for(reading.wait(), 30)
            for run_id, text in sends[1:]:
                when = {"when": "now"} if folds and run_id == sends[1][0] else {}
                answer = (await wire.send(text, key=key, run_id=run_id, **when))[1]
                assert answer["queuePosition"]
            failing.arm(point)
            second = {"sessionKey": key, "runId": sends[1][0]}
            asking = None
            if act == "edit":
                asking = wire.call("chat.queue.edit", {**second, "message": "edited"})
                expected[1] = (sends[1][0], "edited")
            elif act == "stop":
                asking = wire.call("chat.abort", second)
                del expected[1]
            else:
                taken.set()
            await failing.dies(asking)
        await failing.start()
        await failing.settled()
        async with wired(gateway.ws_url, gateway.token) as wire:
            messages = await history(wire, key)
            asked = [(m["runId"], text_of(m)) for m in messages if m["role"] == "user"]
            assert asked == expected
            cut = {sends[0][0]} if act != "wait" else {sends[1][0]} if point == "run.started" else set()
            for run_id, text in expected:
                ends = [m for m in messages if m["role"] == "assistant" and m["runId"] == run_id]
                if folds and run_id == sends[1][0]:
                    assert ends == [], "the reply that it was read by ends for both"
                    continue
                assert ends[-1]["stopReason"] == ("interrupted" if run_id in cut else "stop")
                assert failing.calls(text) <= (2 if run_id == sends[0][0] else 1)
            assert failing.calls(sends[1][1]) == 0 or point == "queue.start"

    run(main())


EDIT = call(
    "notebook_edit", path="a.ipynb", ops=[{"op": "replace", "cell": "c0", "rev": revision("x = 1"), "source": "x = 2"}]
)


@pytest.mark.parametrize(("point", "armed"), CALLING)
def test_a_tool_call_is_made_once_at_most_and_what_it_did_can_be_undone(
    failing: FailingGateway, point: str, armed: str
) -> None:
    node, gateway = NotebookNode([notebook("a.ipynb", "x = 1")]), failing.gateway
    key = f"{point} {armed}"

    async def main() -> None:
        async with (
            node.connected(gateway.ws_url, gateway.token, instance=key),
            HandsGateway(gateway, failing.api).person(key) as person,
        ):
            person.key = key
            await person.mode("edits")

            async def now() -> None:
                failing.arm(point)

            if armed == "before":
                failing.arm(point)
            else:
                node.before_answer["notebook.apply"] = now
            run_id, _ = await person.wire.send(wants(EDIT), key=key, run_id=key)
            await failing.dies()
        assert len(node.applied) == (armed == "during")
        node.before_answer.clear()
        await failing.start()
        async with (
            node.connected(gateway.ws_url, gateway.token, instance=key),
            wired(gateway.ws_url, gateway.token) as wire,
        ):
            await failing.check(wire, key, [(run_id, wants(EDIT))], tools=True)
            results = [m for m in await history(wire, key) if m["role"] == "toolResult"]
            told = armed == "during" and point == "step.stored"
            assert [m["isError"] for m in results] == ([] if (point, armed) == ("step.store", "before") else [not told])
            assert len(node.applied) == (armed == "during"), "not made again"
            changes = (await wire.call("hands.changes.list", {"sessionKey": key}))["changes"]
            assert [change["state"] for change in changes] == ["applied"] * len(node.applied)
            for change in changes:
                undone = await wire.call("hands.changes.undo", {"id": change["id"]})
                assert undone == {"state": "undone", "problems": []}
            assert node.notebooks["a.ipynb"].sources() == ["x = 1"]
        assert failing.rows("SELECT id FROM records WHERE kind = 'change.begun'") == []

    run(main())


@pytest.mark.parametrize("point", UNDOING)
def test_an_undo_that_is_cut_off_is_done_once_and_can_be_asked_for_again(failing: FailingGateway, point: str) -> None:
    node, gateway = NotebookNode([notebook("a.ipynb", "x = 1")]), failing.gateway

    async def main() -> None:
        async with (
            node.connected(gateway.ws_url, gateway.token, instance=point),
            HandsGateway(gateway, failing.api).person(point) as person,
        ):
            person.key = point
            await person.mode("edits")
            await person.result(await person.wish(EDIT))
            (change,) = (await person.wire.call("hands.changes.list", {"sessionKey": point}))["changes"]
            failing.arm(point)
            await failing.dies(person.wire.call("hands.changes.undo", {"id": change["id"]}))
        await failing.start()
        async with (
            node.connected(gateway.ws_url, gateway.token, instance=point),
            wired(gateway.ws_url, gateway.token) as wire,
        ):
            undone = await wire.call("hands.changes.undo", {"id": change["id"]})
            assert undone == {"state": "undone", "problems": []}
        assert node.notebooks["a.ipynb"].sources() == ["x = 1"] and len(node.applied) == 2

    run(main())


@pytest.mark.parametrize("point", UPLOADING)
def test_a_file_that_was_cut_off_can_be_sent_again_and_is_there_when_a_message_speaks_of_it(
    failing: FailingGateway, point: str
) -> None:
    gateway, content = failing.gateway, f"notes of {point}\n".encode()

    async def main() -> None:
        failing.arm(point)
        with pytest.raises(OSError):
            await asyncio.to_thread(upload, gateway, "notes.md", content)
        await failing.dies()
        await failing.start()
        assert list((gateway.home / "media" / "incoming").iterdir()) == []
        given = await asyncio.to_thread(upload, gateway, "notes.md", content)
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[text=read]]", key=point, attachments=[{"mediaId": given["mediaId"]}])
            blocks = (await history(wire, point))[0]["content"]
            assert [block["mediaId"] for block in blocks if "mediaId" in block] == [given["mediaId"]]
        (row,) = failing.rows("SELECT sha256, size FROM media WHERE id = ?", given["mediaId"])
        kept = gateway.home / "media" / row[0][:2] / row[0]
        assert kept.read_bytes() == content and row[1] == len(content)
        assert failing.rows("SELECT count(*) FROM media WHERE sha256 = ?", row[0]) == [(1,)]

    run(main())


@pytest.mark.parametrize("point", COPYING)
def test_a_copy_of_a_conversation_is_whole_or_not_there(failing: FailingGateway, point: str) -> None:
    gateway, fork = failing.gateway, {"key": point, "idempotencyKey": f"copy {point}"}

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token) as wire:
            await wire.ask("[[text=said]]", key=point)
            failing.arm(point)
            await failing.dies(wire.call("sessions.fork", fork))
        await failing.start()
        async with wired(gateway.ws_url, gateway.token) as wire:
            before = {row["key"] for row in (await wire.call("sessions.list"))["sessions"]}
            copy = (await wire.call("sessions.fork", fork))["key"]
            assert copy not in before
            assert [text_of(m) for m in await history(wire, copy)] == [text_of(m) for m in await history(wire, point)]
            assert (await wire.call("sessions.fork", fork))["key"] == copy

    run(main())


def test_an_import_that_was_cut_off_goes_on_where_it_was(failing: FailingGateway) -> None:
    gateway, document = failing.gateway, {"content": jsonl("cut-off", BATCH + 2), "name": "a.jsonl"}

    async def main() -> None:
        async with wired(gateway.ws_url, gateway.token) as wire:
            failing.arm("import.stored")
            await failing.dies(wire.call("sessions.import", document))
        await failing.start()
        async with wired(gateway.ws_url, gateway.token) as wire:
            taken = await wire.call("sessions.import", document)
            assert taken["messages"] == 2
            page = await wire.call("chat.history", {"sessionKey": taken["keys"][0], "limit": 1000})
            assert [text_of(m) for m in page["messages"]] == [str(n) for n in range(BATCH + 2)]

    run(main())


@pytest.mark.parametrize("point", SAVING)
def test_a_backup_is_whole_or_not_there_and_leaves_no_rest(failing: FailingGateway, point: str) -> None:
    folder: Path = failing.gateway.home / backup_files.FOLDER

    async def dies() -> None:
        async with wired(failing.gateway.ws_url, failing.gateway.token) as wire:
            failing.arm(point)
            await failing.dies(wire.call("storage.backup"))

    async def again() -> None:
        await failing.start()
        async with wired(failing.gateway.ws_url, failing.gateway.token) as wire:
            await wire.call("storage.backup")

    run(dies())
    assert all(backups.problem_of(each.path) == "" for each in backup_files.kept(folder))
    for rest in folder.glob("*.partial*"):
        os.utime(rest, (0, 0))  # so old that no copy is being written there
    run(again())
    assert sorted(folder.iterdir()) == sorted(each.path for each in backup_files.kept(folder))


def test_reading_that_is_cut_off_changes_nothing(failing: FailingGateway) -> None:
    async def main() -> None:
        async with wired(failing.gateway.ws_url, failing.gateway.token) as wire:
            await wire.ask("[[text=said]]", key="reading")
            failing.arm("store.read")
            await failing.dies(history(wire, "reading"))
        await failing.start()
        async with wired(failing.gateway.ws_url, failing.gateway.token) as wire:
            assert [m["role"] for m in await history(wire, "reading")] == ["user", "assistant"]

    run(main())

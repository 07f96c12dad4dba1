"""The conversation as a tree, over real sockets: another reply or question, going on, another branch, deleting."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from tests.support.wire import Wire, WireError, run, text_of, wired

CAPS = ["chat.append", "session.events"]
SLOW = "[[tokens=100000]] [[delay_ms=5]]"


def key() -> str:
    """A session of its own: tests share the gateway."""
    return f"agent:main:t{uuid.uuid4().hex[:8]}"


async def shown(wire: Wire, session: str, **params: Any) -> list[str]:
    """The texts of the path that is shown."""
    page = await wire.call("chat.history", {"sessionKey": session, **params})
    return [text_of(message) for message in page["messages"]]


async def act(wire: Wire, method: str, session: str, message_id: str, **params: Any) -> dict[str, Any]:
    """A call that starts a run, and the end of it."""
    run_id = uuid.uuid4().hex
    answer = await wire.call(
        method, {"sessionKey": session, "messageId": message_id, "idempotencyKey": run_id, **params}
    )
    assert answer == {"runId": run_id, "status": "started"}
    return await wire.end(run_id)


async def history(wire: Wire, session: str) -> dict[str, Any]:
    answer: dict[str, Any] = await wire.call("chat.history", {"sessionKey": session})
    return answer


def test_regenerating_and_editing_make_alternatives_that_can_be_switched(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            await wire.ask("one [[text=first]]", key=session)
            await wire.ask("two [[text=second]]", key=session)
            before = await history(wire, session)
            assert "branches" not in before
            question, first = before["messages"][:2]
            again = await act(wire, "chat.regenerate", session, first["id"])
            assert again["state"] == "final" and text_of(again["message"]) == "first"
            page = await history(wire, session)
            assert [m["id"] for m in page["messages"]] == [question["id"], again["message"]["id"]]
            assert page["epoch"] > before["epoch"]
            assert page["branches"] == [
                {"messageId": again["message"]["id"], "ids": [first["id"], again["message"]["id"]]}
            ]
            changed = await wire.wait("session.changed", lambda p: p["reason"] == "branched" and p["key"] == session)
            assert changed["payload"]["entry"]["epoch"] == page["epoch"]
            switched = await wire.call("chat.branch", {"sessionKey": session, "messageId": first["id"]})
            assert switched["ok"] and switched["epoch"] > page["epoch"]
            assert await shown(wire, session) == [text_of(m) for m in before["messages"]]
            assert await wire.call("chat.branch", {"sessionKey": session, "messageId": first["id"]}) == switched
            edited = await act(wire, "chat.edit", session, question["id"], message="uno [[text=primero]]")
            assert text_of(edited["message"]) == "primero"
            page = await history(wire, session)
            assert [text_of(m) for m in page["messages"]] == ["uno [[text=primero]]", "primero"]
            assert page["branches"][0]["ids"] == [question["id"], page["messages"][0]["id"]]
            entry = next(e for e in (await wire.call("sessions.list"))["sessions"] if e["key"] == session)
            assert (entry["messageCount"], entry["derivedTitle"], entry["lastMessagePreview"]) == (
                2,
                "uno [[text=primero]]",
                "primero",
            )

    run(main())


def test_a_client_resumes_exactly_where_it_was_or_is_told_that_it_cannot(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            for n in range(3):
                await wire.ask(f"q{n} [[text=a{n}]]", key=session)
            whole = await history(wire, session)
            epoch, seqs = whole["epoch"], [m["seq"] for m in whole["messages"]]
            assert "recovered" not in whole

            async def resume(**params: Any) -> tuple[bool, list[int]]:
                page = await wire.call("chat.history", {"sessionKey": session, **params})
                return page["recovered"], [m["seq"] for m in page["messages"]]

            assert await resume(epoch=epoch, sinceSeq=seqs[2]) == (True, seqs[3:])
            assert await resume(epoch=epoch, sinceSeq=seqs[-1]) == (True, [])
            assert await resume(epoch=epoch, sinceSeq=0) == (True, seqs)
            assert await resume(epoch=epoch, sinceSeq=seqs[-1] + 1) == (False, seqs), "beyond the newest"
            assert await resume(epoch=epoch - 1, sinceSeq=seqs[-1]) == (False, seqs), "another epoch"
            assert await resume(epoch=epoch, sinceSeq=seqs[0], limit=2) == (False, seqs[-2:]), "too far behind"
            await wire.call("chat.delete", {"sessionKey": session, "messageId": whole["messages"][1]["id"]})
            assert await resume(epoch=epoch, sinceSeq=seqs[-1]) == (False, [seqs[0], *seqs[2:]]), "a deletion"

    run(main())


def test_a_deleted_message_is_gone_what_follows_stays_and_it_comes_back(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            await wire.ask("one [[text=zebra]]", key=session)
            await wire.ask("two [[text=second]]", key=session)
            before = await shown(wire, session)
            reply = (await history(wire, session))["messages"][1]["id"]
            gone = await wire.call("chat.delete", {"sessionKey": session, "messageId": reply})
            assert await shown(wire, session) == [before[0], *before[2:]]
            assert not [
                hit
                for hit in (await wire.call("sessions.search", {"query": "zebra"}))["hits"]
                if hit["messageId"] == reply
            ]
            again = await wire.call("chat.delete", {"sessionKey": session, "messageId": reply})
            assert again == gone
            back = await wire.call("chat.undelete", {"sessionKey": session, "messageId": reply})
            assert back["epoch"] > gone["epoch"] and await shown(wire, session) == before
            assert await wire.call("chat.undelete", {"sessionKey": session, "messageId": reply}) == back
            with pytest.raises(WireError) as refused:
                await wire.call("chat.delete", {"sessionKey": session, "messageId": "m_nobody"})
            assert refused.value.details["reason"] == "NOT_FOUND"

    run(main())


def test_nothing_moves_the_ground_under_a_reply_that_is_being_written(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            await wire.ask("one [[text=first]]", key=session)
            question, reply = [m["id"] for m in (await history(wire, session))["messages"]]
            run_id, _ = await wire.send(SLOW, key=session)
            await wire.wait("chat", lambda p: p["runId"] == run_id)
            run_ids = {"idempotencyKey": uuid.uuid4().hex}
            for method, message_id, more in (
                ("chat.regenerate", reply, run_ids),
                ("chat.continue", reply, run_ids),
                ("chat.branch", reply, {}),
                ("chat.edit", question, {**run_ids, "message": "x"}),
                ("chat.delete", reply, {}),
            ):
                with pytest.raises(WireError) as refused:
                    await wire.call(method, {"sessionKey": session, "messageId": message_id, **more})
                assert (refused.value.code, refused.value.details["reason"]) == ("UNAVAILABLE", "BUSY"), method
            await wire.call("chat.abort", {"sessionKey": session})
            await act(wire, "chat.edit", session, question, message="now [[text=it works]]")
            assert (await shown(wire, session))[-1] == "it works"

    run(main())


def test_a_stopped_reply_is_continued_with_its_text_kept(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            run_id, _ = await wire.send("[[tokens=300]] [[delay_ms=2]]", key=session)
            await wire.wait("chat", lambda p: p["runId"] == run_id and p["state"] == "delta" and p["offset"] > 100)
            await wire.call("chat.abort", {"sessionKey": session})
            stopped = (await wire.end(run_id))["message"]
            kept = text_of(stopped).rstrip()
            end = await act(wire, "chat.continue", session, stopped["id"])
            whole = text_of(end["message"])
            assert whole == "".join(f"t{n} " for n in range(300)), "as if it had never been cut"
            assert end["message"]["continues"] == stopped["id"]
            deltas = wire.deltas(end["runId"])
            assert deltas[0]["offset"] == len(kept) and kept + "".join(d["text"] for d in deltas) == whole
            page = await history(wire, session)
            assert page["branches"] == [
                {"messageId": end["message"]["id"], "ids": [stopped["id"], end["message"]["id"]]}
            ]
            with pytest.raises(WireError) as refused:
                await act(wire, "chat.continue", session, page["messages"][0]["id"])
            assert refused.value.details["reason"] == "WRONG_ROLE"

    run(main())


def test_the_path_shown_is_exported_and_as_json_the_whole_tree(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token) as wire:
            await wire.ask("one [[text=giraffe]]", key=session)
            await wire.ask("two [[text=second]]", key=session)
            question, reply, *rest = (await history(wire, session))["messages"]
            await act(wire, "chat.edit", session, question["id"], message="uno [[text=primero]]")
            shown_now = (await history(wire, session))["messages"]
            made = {
                form: (await wire.call("sessions.export", {"key": session, "format": form}))["content"]
                for form in ("markdown", "json")
            }
            assert "giraffe" not in made["markdown"] and "primero" in made["markdown"]
            document = json.loads(made["json"])
            assert document["messages"] == shown_now
            assert [(m["id"], m["parentId"]) for m in document["branches"]] == [
                (question["id"], None),
                (reply["id"], question["id"]),
                (rest[0]["id"], reply["id"]),
                (rest[1]["id"], rest[0]["id"]),
            ]
            (hit,) = [
                hit
                for hit in (await wire.call("sessions.search", {"query": "giraffe"}))["hits"]
                if hit["sessionKey"] == session and hit["role"] == "assistant"
            ]
            assert hit["shown"] is False
            await wire.call("chat.branch", {"sessionKey": session, "messageId": hit["messageId"]})
            assert [m["id"] for m in (await history(wire, session))["messages"]] == [
                question["id"],
                reply["id"],
                *(m["id"] for m in rest),
            ]

    run(main())


def test_a_session_is_copied_deleted_and_brought_back(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            await wire.ask("one [[text=first]]", key=session)
            await wire.ask("two [[text=second]]", key=session)
            reply = (await history(wire, session))["messages"][1]["id"]
            once = {"key": session, "messageId": reply, "label": f"copy of {session}", "idempotencyKey": "f"}
            copy = await wire.call("sessions.fork", once)
            assert await wire.call("sessions.fork", once) == copy and copy["entry"]["messageCount"] == 2
            assert await shown(wire, copy["key"]) == (await shown(wire, session))[:2]
            gone = await wire.call("sessions.delete", {"key": session})
            assert gone["deleted"] and gone["undoUntil"] > 0
            assert session not in [e["key"] for e in (await wire.call("sessions.list"))["sessions"]]
            back = await wire.call("sessions.undelete", {"key": session})
            assert back["entry"]["messageCount"] == 4 and len(await shown(wire, session)) == 4
            restored = await wire.wait("session.changed", lambda p: p["key"] == session and p["reason"] == "restored")
            assert restored["payload"]["entry"]["epoch"] == back["entry"]["epoch"]

    run(main())


def test_a_waiting_message_is_edited_and_a_reply_stopped_before_its_first_word_leaves_the_old_one(standing_gateway):
    async def main():
        session = key()
        async with wired(standing_gateway.ws_url, standing_gateway.token, caps=CAPS) as wire:
            await wire.ask("one [[text=first]]", key=session)
            before = await shown(wire, session)
            reply = (await history(wire, session))["messages"][1]["id"]
            await wire.send(SLOW, key=session)
            waiting = uuid.uuid4().hex
            edit = {"sessionKey": session, "runId": waiting, "message": "[[text=after]]"}
            _, edited = await asyncio.gather(  # before the send is acknowledged
                wire.send("[[text=before]]", key=session, run_id=waiting), wire.call("chat.queue.edit", edit)
            )
            assert edited["ok"]
            await wire.wait("session.queue", lambda p: [q["text"] for q in p["queued"]] == ["[[text=after]]"])
            for change, reason in (({"message": "/status"}, "COMMAND"), ({"runId": "unknown"}, "NOT_QUEUED")):
                with pytest.raises(WireError) as refused:
                    await wire.call("chat.queue.edit", {**edit, **change})
                assert refused.value.details["reason"] == reason
            running = (await history(wire, session))["inFlight"]["runId"]
            await wire.call("chat.abort", {"sessionKey": session, "runId": running})
            assert text_of((await wire.end(waiting))["message"]) == "after"
            for message in (await history(wire, session))["messages"][2:]:
                await wire.call("chat.delete", {"sessionKey": session, "messageId": message["id"]})
            await wire.ask("[[text=aside]]", key=session)
            aside = await shown(wire, session)
            run_id = uuid.uuid4().hex
            first = {"sessionKey": session, "messageId": reply, "idempotencyKey": run_id}
            assert (await wire.call("chat.regenerate", first))["status"] == "started"
            await wire.call("chat.abort", {"sessionKey": session})
            assert (await wire.end(run_id))["state"] == "aborted"
            assert await shown(wire, session) == aside and aside[:2] == before
            assert (await wire.call("chat.regenerate", first))["status"] == "aborted", "a resend starts nothing"

    run(main())


def test_a_reply_that_is_continued_when_the_gateway_dies_is_there_with_all_that_was_kept(gateway):
    async def before():
        async with wired(gateway.ws_url, gateway.token, caps=CAPS) as wire:
            run_id, _ = await wire.send("[[tokens=2000]] [[delay_ms=5]]")
            await wire.wait("chat", lambda p: p["state"] == "delta" and p["offset"] > 100)
            await wire.call("chat.abort", {"sessionKey": "main"})
            cut = (await wire.end(run_id))["message"]
            again = {"sessionKey": "main", "messageId": cut["id"], "idempotencyKey": "on"}
            await wire.call("chat.continue", again)
            gateway.kill()
            return cut, again

    cut, again = run(before())
    gateway.start()

    async def after():
        async with wired(gateway.ws_url, gateway.token) as wire:
            page = await history(wire, "main")
            assert [m["role"] for m in page["messages"]] == ["user", "assistant"]
            kept = page["messages"][1]
            assert kept["stopReason"] == "interrupted" and kept["continues"] == cut["id"]
            assert text_of(kept).startswith(text_of(cut).rstrip())
            assert page["branches"][0]["ids"] == [cut["id"], kept["id"]]
            assert (await wire.call("chat.continue", again))["status"] == "error", "known: nothing is started"

    run(after())

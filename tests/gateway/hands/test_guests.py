"""Messages of people who may decide nothing: a visitor of a page of Voila, a guest of the tailnet."""

from __future__ import annotations

from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call, wants
from tests.support.wire import run

GUEST = ("operator.read", "operator.write")
EDIT = call("notebook_edit", path="a.ipynb", ops=[{"op": "insert", "after": "end", "type": "code", "source": "y"}])


def test_r13_tools_do_nothing_for_a_guest_in_whatever_mode_the_session_is(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook("a.ipynb", "x = 'secret'")])
        async with (
            obeying.working(node, mode="edits") as (owner, _),
            obeying.person(scopes=GUEST) as guest,
        ):
            guest.key = owner.key
            for wished in (
                call("notebook_read", path="a.ipynb"),
                call("notebook_list"),
                EDIT,
            ):
                text, message = await guest.result(await guest.wish(wished))
                assert message["denied"] and "secret" not in text, wished
            assert node.applied == [] and node.notebooks["a.ipynb"].sources() == ["x = 'secret'"]
            assert (await owner.wire.call("exec.approval.list", {}))["approvals"] == [], "the owner is not asked either"
            text, message = await owner.result(await owner.wish(call("notebook_read", path="a.ipynb")))
            assert "secret" in text and not message.get("denied")

    run(main())


def test_r13_a_guests_message_for_now_is_not_acted_on_with_the_owners_rights(obeying: HandsGateway) -> None:
    async def main() -> None:
        node = NotebookNode([notebook("a.ipynb", "x = 'secret'")])
        async with (
            obeying.working(node, mode="ask") as (owner, _),
            obeying.person(scopes=GUEST) as guest,
        ):
            guest.key = owner.key
            owners = await owner.wish(EDIT)
            question = await owner.question(owners)
            asked = {"sessionKey": owner.key, "message": wants(call("notebook_read", path="a.ipynb")), "when": "now"}
            guests = (await guest.wire.call("chat.send", {**asked, "idempotencyKey": "guest-now"}))["runId"]
            await owner.decide(question)
            _, message = await owner.result(owners)
            assert message["toolName"] == "notebook_edit" and not message.get("denied")
            _, message = await guest.result(guests)
            assert message["toolName"] == "notebook_read" and message["denied"]

    run(main())


def test_r13_what_a_guest_writes_into_a_waiting_message_is_not_acted_on_with_its_senders_rights(
    obeying: HandsGateway,
) -> None:
    async def main() -> None:
        node = NotebookNode([notebook("a.ipynb", "x = 'secret'")])
        read = wants(call("notebook_read", path="a.ipynb"))
        async with (
            obeying.working(node, mode="ask") as (owner, _),
            obeying.person(scopes=GUEST) as guest,
        ):
            guest.key = owner.key
            owners = await owner.wish(EDIT)
            question = await owner.question(owners)
            asked = {"sessionKey": owner.key, "message": "thanks", "idempotencyKey": "owner-next"}
            await owner.wire.call("chat.send", asked)
            changed = {"sessionKey": owner.key, "runId": "owner-next", "message": read, "when": "now"}
            await guest.wire.call("chat.queue.edit", changed)
            await owner.decide(question)
            await owner.result(owners)
            _, message = await owner.result("owner-next")
            assert message["toolName"] == "notebook_read" and message["denied"]

    run(main())

"""The server that a session works on, where several are connected: that of its page or notebook, not the newest."""

from __future__ import annotations

import pytest

from clawdbot_ext.protocol.revision import revision
from tests.support.notebook_node import NotebookNode, notebook
from tests.support.obeying import HandsGateway
from tests.support.strict_api import call
from tests.support.wire import WireError, run


def test_what_a_page_asks_for_is_done_on_the_server_it_came_from(obeying: HandsGateway) -> None:
    async def main() -> None:
        url, token = obeying.gateway.ws_url, obeying.gateway.token
        mine, newest = NotebookNode([notebook("n.ipynb", "mine")]), NotebookNode([notebook("n.ipynb", "other")])
        page, far = NotebookNode(), NotebookNode([notebook("n.ipynb", "other")])
        async with (
            mine.connected(url, token, instance="server-mine", server=True),
            newest.connected(url, token, instance="server-newest", server=True),
            page.connected(url, token, instance="my-page", of="server-mine"),
            far.connected(url, token, instance="far-page", of="server-newest"),
            obeying.person("my-page") as person,
            obeying.person("terminal") as terminal,
        ):
            terminal.key = person.key
            newest.files["a.txt"] = "not this one\n"
            run_id = await person.wish(call("file_write", path="a.txt", text="one\n"))
            change = (await person.allow(run_id))["id"]
            _, message = await person.result(run_id)
            assert not message["isError"] and mine.files == {"a.txt": "one\n"}

            ops = [{"op": "replace", "cell": "c0", "rev": revision("mine"), "source": "new"}]
            run_id = await person.wish(call("notebook_edit", path="n.ipynb", ops=ops))
            edit = (await person.allow(run_id))["id"]
            await person.result(run_id)
            assert mine.notebooks["n.ipynb"].sources() == ["new"], "not the file of that name in another server's page"
            assert far.notebooks["n.ipynb"].sources() == ["other"] and far.applied == []

            run_id = await terminal.wish(call("file_list"), call("file_read", path="a.txt"))
            texts = [m["content"][0]["text"] for m in await terminal.results(run_id)]
            assert "one" in texts[1] and not any("not this one" in text for text in texts), "the session's server"

            for id_ in (change, edit):
                undone = await terminal.wire.call("hands.changes.undo", {"id": id_})
                assert undone == {"state": "undone", "problems": []}
            assert mine.files == {} and newest.files == {"a.txt": "not this one\n"}
            assert mine.notebooks["n.ipynb"].sources() == ["mine"]

    run(main())


def test_a_change_is_not_undone_on_another_server(obeying: HandsGateway) -> None:
    async def main() -> None:
        url, token = obeying.gateway.ws_url, obeying.gateway.token
        other = NotebookNode()
        async with obeying.person("nowhere") as person:
            async with NotebookNode().connected(url, token, instance="server-gone", server=True):
                run_id = await person.wish(call("file_write", path="a.txt", text="one\n"))
                change = (await person.allow(run_id))["id"]
                await person.result(run_id)
            other.files["a.txt"] = "one\n"
            async with other.connected(url, token, instance="server-other", server=True):
                with pytest.raises(WireError) as refused:
                    await person.wire.call("hands.changes.undo", {"id": change})
                assert refused.value.details["reason"] == "NO_NODE" and other.files == {"a.txt": "one\n"}

    run(main())

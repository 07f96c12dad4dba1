"""The tools against the gateway's own Jupyter server as node: real files, no page."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.obeying import HandsGateway
from tests.support.strict_api import call
from tests.support.wire import run


@pytest.mark.slow
def test_a_notebook_is_created_read_edited_and_undone_on_the_server(obeying: HandsGateway) -> None:
    async def main() -> None:
        async with obeying.person() as person:
            cells = [{"type": "code", "source": "x = 1"}, {"type": "markdown", "source": "# 제목"}]
            run_id = await person.wish(call("notebook_create", path="made.ipynb", cells=cells))
            await person.allow(run_id)
            text, message = await person.result(run_id)
            assert not message["isError"], text
            made = message["details"]["changeId"]
            run_id = await person.wish(call("notebook_read", path="made.ipynb"))
            text, message = await person.result(run_id)
            assert not message["isError"] and "# 제목" in text, text
            found = re.search(r'<cell id="([^"]+)" rev="([^"]+)"', text)
            assert found is not None
            ops = [{"op": "replace", "cell": found[1], "rev": found[2], "source": "x = 2"}]
            run_id = await person.wish(call("notebook_edit", path="made.ipynb", ops=ops))
            question = await person.allow(run_id)
            text, message = await person.result(run_id)
            assert not message["isError"], text
            file = obeying.gateway.state / "made.ipynb"
            assert "".join(json.loads(file.read_text())["cells"][0]["source"]) == "x = 2"
            undone = await person.wire.call("hands.changes.undo", {"id": question["id"]})
            assert undone == {"state": "undone", "problems": []}
            assert "".join(json.loads(file.read_text())["cells"][0]["source"]) == "x = 1"
            run_id = await person.wish(call("file_write", path="notes.txt", text="한글\n"))
            await person.allow(run_id)
            text, message = await person.result(run_id)
            assert not message["isError"] and (obeying.gateway.state / "notes.txt").read_text() == "한글\n", text
            written = message["details"]["changeId"]
            run_id = await person.wish(call("file_list"), call("file_search", text="한글"), call("notebook_list"))
            assert [each["isError"] for each in await person.results(run_id)] == [False, False, False]
            assert (await person.wire.call("hands.changes.undo", {"id": written}))["state"] == "undone"
            assert not (obeying.gateway.state / "notes.txt").exists()
            assert (await person.wire.call("hands.changes.undo", {"id": made}))["state"] == "undone"
            assert not file.exists()

    run(main(), 60)

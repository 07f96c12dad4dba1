"""The assistant's tools in notebooks that no page has open: model, gateway, the server's node, contents and kernels."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator

import pytest

from clawdbot_ext.gateway.hands.pictures import pixel_size
from clawdbot_ext.protocol.revision import revision
from tests.support.hands import Hands, cells_of, code, text, write_notebook
from tests.support.jupyter import JupyterProcess
from tests.support.obeying import HandsGateway
from tests.support.server import GatewayProcess
from tests.support.strict_api import Call, StrictAPI, call
from tests.support.wire import opened, run

pytestmark = pytest.mark.slow
LIMIT_S = 120


@pytest.fixture(scope="module")
def obeying(tmp_path_factory) -> Iterator[HandsGateway]:
    """A standalone gateway, whose root is its state directory, with a model that obeys."""
    with StrictAPI() as api:
        folder = tmp_path_factory.mktemp("jupyter")
        kernel = folder / "kernels" / "scripted-r"
        kernel.mkdir(parents=True)
        argv = [sys.executable, "-c", SCRIPTED_KERNEL, "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "R", "language": "R"}))
        env = {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": api.url, "JUPYTER_PATH": str(folder)}
        gateway = GatewayProcess(tmp_path_factory.mktemp("together") / "state", env=env)
        gateway.start()
        yield HandsGateway(gateway, api)
        gateway.stop()


def test_a_closed_notebook_is_read_edited_run_and_undone(obeying):
    cells = [text("# Hi"), code("x = 6"), code("x * 7"), code("print('hello', input('Who? '))")]
    notebook = write_notebook(obeying.gateway.state / "n.ipynb", cells)

    async def main():
        async with obeying.person() as person:
            read = await person.wish(call("notebook_read", path="n.ipynb"))
            shown, _ = await person.result(read)
            assert "x * 7" in shown and revision("x = 6") in shown and "not started" in shown

            op = {"op": "replace", "cell": "c1", "rev": revision("x = 6"), "source": "x = 10"}
            edit = await person.wish(call("notebook_edit", path="n.ipynb", ops=[op]))
            question = await person.question(edit)
            assert cells_of(notebook)[1]["source"] == "x = 6", "nothing is done before the yes"
            await person.decide(question)
            await person.result(edit)
            kept = cells_of(notebook)[1]
            assert kept["source"] == "x = 10"
            assert kept["metadata"]["clawdbot"] == {"run": edit, "by": "test", "approval": question["id"]}

            ran = await person.wish(call("cell_run", path="n.ipynb", cells=["c1", "c2"], wait_s=60))
            await person.allow(ran)
            said, message = await person.result(ran)
            assert "70" in said and not message["isError"]
            assert cells_of(notebook)[2]["outputs"][0]["data"]["text/plain"] == ["70"]

            asks = await person.wish(call("cell_run", path="n.ipynb", cells=["c3"], wait_s=60))
            await person.allow(asks)
            question = await person.question(asks, 2)
            assert question["request"]["kind"] == "input" and question["request"]["prompt"] == "Who? "
            await person.decide(question, answers={"value": "world"})
            said, _ = await person.result(asks)
            assert "hello world" in said

            tried = await person.wish(call("try_code", path="n.ipynb", code="x += 1; x"))
            await person.allow(tried)
            assert "11" in (await person.result(tried))[0]
            variables = await person.wish(call("kernel_variables", path="n.ipynb"))
            assert "10" in (await person.result(variables))[0]

            undone = await person.wire.call("hands.changes.undo", {"id": await newest_change(person)})
            assert undone == {"state": "undone", "problems": []}
            assert cells_of(notebook)[1]["source"] == "x = 6"
        assert obeying.api.refusals == []

    async def newest_change(person):
        listed = await person.wire.call("hands.changes.list", {"path": "n.ipynb", "sessionKey": person.key})
        return listed["changes"][0]["id"]

    run(main(), LIMIT_S)


BIG_PICTURE = """
import struct, zlib
from IPython.display import Image, display
def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"\\0" * (height * (width + 1))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(rows, 1)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
print("a line of output\\n" * 15000)
display(Image(png(2600, 1300)), Image(png(40, 30)))
"""


def test_the_reading_tools_tell_of_a_real_kernel_within_the_limits_of_the_model(obeying):
    write_notebook(obeying.gateway.state / "read.ipynb", [code(BIG_PICTURE), code("total = 41"), code("total += 1")])

    async def main():
        async with obeying.person() as person:

            async def answer(tool, **arguments):
                run_id = await person.wish(Call(tool, {"path": "read.ipynb", **arguments}))
                said, message = await person.result(run_id)
                assert not message["isError"], said
                return said, [block for block in message["content"] if block["type"] == "image"]

            ran = await person.wish(call("cell_run", path="read.ipynb", cells=["c0", "c1"], wait_s=60))
            await person.allow(ran)
            said, message = await person.result(ran)
            assert not message["isError"] and "left out" in said
            said, _ = await answer("kernel_variables")
            assert "total" in said and "int" in said
            more = await person.wish(call("cell_run", path="read.ipynb", cells=["c2"], wait_s=60))
            await person.allow(more)
            await person.result(more)
            said, _ = await answer("kernel_variables")
            assert "changed" in said and "total" in said, "what changed since the last look"
            assert "42" in (await answer("variable_inspect", name="total"))[0]
            said, _ = await answer("docs_lookup", name="zlib.crc32")
            assert "crc32" in said and "checksum" in said.lower()
            assert "ipykernel" in (await answer("package_list"))[0]

            first, _ = await answer("cell_output", cell="c0")
            pages = int(first.split("of ")[1].split()[0])
            assert first.startswith("Page 1 of ") and pages > 2
            seen, notes = [], ""
            for page in range(1, pages + 1):
                said, images = await answer("cell_output", cell="c0", page=page)
                seen, notes = [*seen, *images], notes + said
            assert "an image of 2600 × 1300 pixels is shown" in notes and len(seen) == 2
            for image in seen:
                assert len(image["data"]) <= 5_000_000
                assert max(pixel_size(base64.b64decode(image["data"]))) <= 2000
        assert obeying.api.refusals == []

    run(main(), LIMIT_S)


SCRIPTED_KERNEL = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
class Scripted(Kernel):
    implementation, implementation_version, banner = "scripted", "1", "scripted"
    language_info = {"name": "R", "mimetype": "text/x-r", "file_extension": ".r"}
    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **more):
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": f"R ran {code}\\n"})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
    def do_inspect(self, code, cursor_pos, detail_level=0, omit_sections=()):
        return {"status": "ok", "found": True, "data": {"text/plain": f"help of {code}"}, "metadata": {}}
IPKernelApp.launch_instance(kernel_class=Scripted)
"""


def test_a_kernel_of_another_language_runs_and_what_needs_python_is_refused_with_the_reason(obeying):
    spec = {"kernelspec": {"name": "scripted-r", "display_name": "R", "language": "R"}}
    cells = [code("x <- 1"), code("system('rm -rf data')")]
    notebook = write_notebook(obeying.gateway.state / "r.ipynb", cells, metadata=spec)

    async def main():
        async with obeying.person() as person:

            async def answer(tool, **arguments):
                run_id = await person.wish(Call(tool, {"path": "r.ipynb", **arguments}))
                said, message = await person.result(run_id)
                return said, message["isError"]

            assert "x <- 1" in (await answer("notebook_read"))[0]
            op = {"op": "replace", "cell": "c0", "rev": revision("x <- 1"), "source": "x <- 2"}
            edit = await person.wish(call("notebook_edit", path="r.ipynb", ops=[op]))
            await person.allow(edit)
            await person.result(edit)
            assert cells_of(notebook)[0]["source"] == "x <- 2"
            await person.mode("notebook", handsNotebook="r.ipynb")
            ran = await person.wish(call("cell_run", path="r.ipynb", cells=["c0"], wait_s=60))
            question = await person.question(ran)
            assert "Python" in question["request"]["excepted"], "it cannot be seen what it does"
            await person.decide(question)
            said, message = await person.result(ran)
            assert "R ran x <- 2" in said and not message["isError"]
            assert cells_of(notebook)[0]["outputs"][0]["text"] == ["R ran x <- 2\n"]
            for tool, arguments in (
                ("kernel_variables", {}),
                ("package_list", {}),
                ("try_code", {"code": "x"}),
            ):
                said, failed = await answer(tool, **arguments)
                assert failed and "Python" in said, said
            assert (await answer("docs_lookup", name="x")) == ("name: x\nhelp of x", False)
            assert "help of x" in (await answer("variable_inspect", name="x"))[0]
        assert obeying.api.refusals == []

    run(main(), LIMIT_S)


def test_of_two_servers_the_one_that_has_the_notebook_is_asked(obeying):
    """The other one is the newest, relays to the gateway, and has a folder of its own."""
    write_notebook(obeying.gateway.state / "mine.ipynb", [code("'of the gateway'")])
    lab = JupyterProcess(obeying.gateway.state, clawdbot_port=obeying.gateway.port)
    write_notebook(lab.folder / "other.ipynb", [code("'of the lab'")])
    lab.start()

    async def main():
        async with opened(lab.ws_url, additional_headers=lab.headers) as relayed, obeying.person() as person:
            await relayed.handshake()
            await Hands(lab).node_id(person.wire)
            for path, words in (("mine.ipynb", "of the gateway"), ("other.ipynb", "of the lab")):
                read = await person.wish(call("notebook_read", path=path))
                assert words in (await person.result(read))[0]

    try:
        run(main(), LIMIT_S)
    finally:
        lab.kill()


def test_files_are_written_with_a_yes_and_only_as_they_were_read(obeying):
    async def main():
        async with obeying.person() as person:
            made = await person.wish(call("file_write", path="notes.txt", text="one\n"))
            await person.allow(made)
            said, message = await person.result(made)
            assert not message["isError"] and (obeying.gateway.state / "notes.txt").read_text() == "one\n"
            listed = await person.wish(call("file_list", path=""))
            shown, _ = await person.result(listed)
            assert "notes.txt" in shown and "secrets" not in shown and "name jupyter ·" not in shown
            secret = await person.wish(call("file_read", path="jupyter/secrets/token"))
            said, message = await person.result(secret)
            assert message["isError"] and obeying.gateway.token not in said

    run(main(), LIMIT_S)

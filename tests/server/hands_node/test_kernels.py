"""``notebook.run`` and ``kernel.*`` of the Jupyter server's node, with real kernels."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import psutil
import pytest
from jupyter_server.utils import ensure_async

from clawdbot_ext.protocol.revision import revision
from clawdbot_ext.server.hands_node.kernels import KernelLink
from tests.support.aio import until as until_true
from tests.support.hands import NodeRefused, answer_of, cells_of, code, node_alone, text, write_notebook
from tests.support.wire import run

pytestmark = pytest.mark.slow
LIMIT_S = 90


async def until(condition):
    await until_true(condition, LIMIT_S)


def refused(hands, command, **params):
    with pytest.raises(NodeRefused) as caught:
        hands(command, **params)
    return caught.value


@asynccontextmanager
async def own_node(folder, **traits):
    """``node_alone`` in ``folder``. Jupyter's sessions are closed in this thread: if they were left to the garbage
    collector, another thread might collect them, in which SQLite refuses that."""
    async with node_alone(folder, folder / "state", **traits) as node:
        try:
            yield node
        finally:
            node.node.host.sessions.close()


def revs(*cells):
    return {f"c{index}": revision(cell["source"]) for index, cell in enumerate(cells)}


@pytest.fixture(scope="module")
def standing(server, hands):
    """A notebook with a kernel that this node started, for tests that only ask."""
    cells = [code("import os, time, json\nx = 41\nwords = ['a', 'b']\npid = os.getpid()\npid")]
    write_notebook(server.folder / "standing.ipynb", cells)
    found = hands("notebook.run", path="standing.ipynb", cells=["c0"], revs=revs(*cells))
    assert found["results"][0]["status"] == "ok" and found["results"][0]["saved"]
    return "standing.ipynb"


def kernel_pid(hands, path):
    return int(hands("kernel.execute", path=path, code="import os; os.getpid()")["outputs"][0]["text"])


@asynccontextmanager
async def begun(hands, wire, path, source):
    """A cell that runs, begun by ``kernel.execute``, until its block ends."""
    (hands.root / "ready").unlink(missing_ok=True)
    whole = f"open({str(hands.root / 'ready')!r}, 'w').close()\n{source}"
    task = asyncio.create_task(hands.ask(wire, "kernel.execute", path=path, code=whole, timeoutMs=30_000))
    await until((hands.root / "ready").exists)
    yield task
    if not task.done():
        await hands.ask(wire, "notebook.interrupt", path=path)
    await task


# -- cells -------------------------------------------------------------------------------------------------------------
def test_cells_of_a_closed_notebook_run_and_their_outputs_are_in_its_file(hands, folder):
    cells = [
        text("# Hi"),
        code("print('one'); print('two')\n6 * 7"),
        code("import sys; print('err', file=sys.stderr); 1 / 0"),
        code("never = True"),
    ]
    notebook = write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    kernel = hands("notebook.read", path=path)["kernel"]
    expected = {name: kernel[name] for name in ("id", "restarts")}
    found = hands("notebook.run", path=path, cells=["c0", "c1", "c2", "c3"], revs=revs(*cells), kernel=expected)
    assert [result["status"] for result in found["results"]] == ["ok", "ok", "error", "aborted"]
    one = found["results"][1]
    assert one["executionCount"] == 1 and one["saved"] and one["ms"] >= 0
    assert [(output["kind"], output["text"]) for output in one["outputs"]] == [
        ("stream", "one\ntwo\n"),
        ("result", "42"),
    ]
    assert found["results"][2]["outputs"][-1]["name"] == "ZeroDivisionError"
    kept = cells_of(notebook)
    assert kept[1]["execution_count"] == 1 and kept[1]["outputs"][1]["data"] == {"text/plain": ["42"]}
    assert [output["output_type"] for output in kept[2]["outputs"]] == ["stream", "error"]
    assert kept[3]["outputs"] == [] and "trusted" not in kept[1]["metadata"]
    assert found["kernel"]["restarts"] == 0 and found["kernel"]["language"] == "python"
    # the session is this node's own, so that the notebook can be edited all the same
    op = {"op": "replace", "cell": "c1", "rev": revision(cells[1]["source"]), "source": "print(3)"}
    assert hands("notebook.apply", path=path, ops=[op])["changes"]
    assert {row["id"]: row.get("state") for row in hands("notebook.read", path=path)["cells"]}["c1"] == "edited"


def test_progress_comes_in_order_and_input_is_asked_for(tmp_path):
    cells = [code("name = input('Name? ')\nprint('hello', name)")]
    write_notebook(tmp_path / "n.ipynb", cells)

    async def main():
        async with own_node(tmp_path) as node:
            told = []
            _, result = node.begin("notebook.run", told.append, path="n.ipynb", cells=["c0"], revs=revs(*cells))
            await until(lambda: any(data["phase"] == "input" for data in told))
            asked = [data for data in told if data["phase"] == "input"]
            assert asked[0]["prompt"] == "Name? " and asked[0]["password"] is False
            with pytest.raises(NodeRefused, match="NOT_ASKED"):
                await node.ask("kernel.input", path="n.ipynb", requestId="nope", value="x")
            await node.ask("kernel.input", path="n.ipynb", requestId=asked[0]["requestId"], value="아무개")
            (found,) = answer_of(await result)["results"]
            assert found["outputs"][0]["text"] == "hello 아무개\n"
            phases = [data["phase"] for data in told]
            assert phases[0] == "start" and phases[-1] == "done" and "output" in phases
            assert told[-1] == {"cell": "c0", "phase": "done", "status": "ok", "executionCount": 1}

    run(main(), LIMIT_S)


def test_a_question_of_a_kernel_is_heard_whose_channel_for_it_is_connected_last(tmp_path):
    """Each channel is a connection of its own, and a kernel drops a question for a client that is not there yet."""

    async def main():
        async with own_node(tmp_path) as node, AsyncExitStack() as ways:
            host = node.node.host
            kernel = await ensure_async(host.kernels.start_kernel())
            manager = host.kernels.get_kernel(kernel)
            asks = manager.stdin_port

            async def relay(reader, writer):
                await others.wait()
                kernel_reader, kernel_writer = await asyncio.open_connection("127.0.0.1", asks)
                await asyncio.gather(pipe(reader, kernel_writer), pipe(kernel_reader, writer))

            async def pipe(reader, writer):
                with suppress(ConnectionError):
                    while data := await reader.read(4096):
                        writer.write(data)
                writer.close()

            relaying = await asyncio.start_server(relay, "127.0.0.1")
            ways.callback(relaying.close)
            manager.stdin_port = relaying.sockets[0].getsockname()[1]
            link, others = KernelLink(node.node.sessions, kernel), asyncio.Event()
            ways.push_async_callback(link.close)
            opened = asyncio.ensure_future(link.open())
            await until(link._heard.is_set)
            await asyncio.wait({opened}, timeout=2)
            asyncio.get_running_loop().call_later(0.5, others.set)
            await opened
            asked = []
            executing = {"code": "said = input('Name? ')", "allow_stdin": True, "user_expressions": {"said": "said"}}
            reply = asyncio.ensure_future(link.request("execute_request", executing, on_input=asked.append))
            await until(lambda: asked)
            link.answer_input("아무개")
            assert (await reply)["user_expressions"]["said"]["data"]["text/plain"] == "'아무개'"

    run(main(), LIMIT_S)


def test_a_cancelled_run_interrupts_the_kernel_and_keeps_what_came(tmp_path):
    cells = [code("import time\nprint('begun', flush=True)\ntime.sleep(60)\nprint('end')")]
    notebook = write_notebook(tmp_path / "n.ipynb", cells)

    async def main():
        async with own_node(tmp_path) as node:
            told = []
            id_, result = node.begin("notebook.run", told.append, path="n.ipynb", cells=["c0"], revs=revs(*cells))
            await until(lambda: any(data["phase"] == "output" for data in told))
            (row,) = (await node.ask("notebook.read", path="n.ipynb"))["cells"]
            assert row["state"] == "running"
            began = asyncio.get_running_loop().time()
            node.cancel(id_)
            with pytest.raises(NodeRefused, match="CANCELLED"):
                answer_of(await result)
            assert asyncio.get_running_loop().time() - began < 10
            while True:  # the run's end may be known before Jupyter has heard what the kernel says of itself
                (row,) = (await node.ask("notebook.list"))["notebooks"]
                if row["kernel"]["status"] == "idle":
                    break
                await asyncio.sleep(0.02)

    run(main(), LIMIT_S)
    (cell,) = cells_of(notebook)
    assert "".join(cell["outputs"][0]["text"]) == "begun\n" and cell["outputs"][-1]["ename"] == "KeyboardInterrupt"


def test_what_was_changed_since_is_not_run(hands, folder, standing):
    cells = [code("x = 1")]
    write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    conflict = refused(hands, "notebook.run", path=path, cells=["c0"], revs={"c0": revision("x = 2")})
    assert conflict.code == "CONFLICT" and conflict.facts["conflicts"][0]["source"] == "x = 1"
    assert refused(hands, "notebook.run", path=path, cells=["no"], revs={}).code == "NO_SUCH_CELL"
    assert refused(hands, "notebook.run", path=path, cells=[], revs={}).code == "INVALID_REQUEST"
    gone = refused(
        hands, "notebook.run", path=path, cells=["c0"], revs=revs(*cells), kernel={"id": "none", "restarts": 0}
    )
    assert gone.code == "KERNEL_CHANGED" and gone.facts["kernel"] is None
    standing_cell = hands("notebook.read", path=standing)["cells"][0]
    kernel = hands("notebook.read", path=standing)["kernel"]
    changed = refused(
        hands,
        "notebook.run",
        path=standing,
        cells=["c0"],
        revs={"c0": standing_cell["rev"]},
        kernel={"id": kernel["id"], "restarts": kernel["restarts"] + 1},
    )
    assert changed.code == "KERNEL_CHANGED" and changed.facts["kernel"]["id"] == kernel["id"]


def test_a_cell_edited_while_it_runs_does_not_get_the_outputs_of_the_old_text(hands, folder):
    ready = folder / "ready"
    wait = f"while os.path.exists({str(ready)!r}): time.sleep(0.02)"
    source = f"import time, os\nopen({str(ready)!r}, 'w').close()\n{wait}\n'old'"
    cells = [code(source)]
    notebook = write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"

    async def main():
        async with hands.connected() as wire:
            running = asyncio.create_task(hands.ask(wire, "notebook.run", path=path, cells=["c0"], revs=revs(*cells)))
            await until(ready.exists)
            kept = json.loads(notebook.read_text())
            kept["cells"][0]["source"] = "new"
            notebook.write_text(json.dumps(kept))
            ready.unlink()
            (result,) = (await running)["results"]
            assert result["status"] == "ok" and result["saved"] is False and result["notSaved"]["code"] == "CONFLICT"

    run(main(), LIMIT_S)
    (cell,) = cells_of(notebook)
    assert cell["source"] == "new" and cell["outputs"] == []


def test_a_kernel_that_dies_ends_the_run_and_says_so(hands, folder):
    cells = [code("print('last words', flush=True)\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)")]
    write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    (result,) = hands("notebook.run", path=path, cells=["c0"], revs=revs(*cells))["results"]
    assert result["status"] == "error" and result["problem"]["code"] == "KERNEL_DIED"


def test_the_kernel_is_restarted_and_counts_it(hands, folder):
    cells = [code("kept = 1")]
    write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    assert refused(hands, "kernel.restart", path=path).code == "NO_KERNEL"
    hands("notebook.run", path=path, cells=["c0"], revs=revs(*cells))
    assert hands("kernel.restart", path=path)["kernel"]["restarts"] == 1
    assert "NameError" in hands("kernel.execute", path=path, code="kept")["outputs"][0]["text"]
    assert hands("kernel.variables", path=path)["variables"] == []


def test_a_hundred_megabytes_of_output_take_little_memory(hands, folder, server):
    cells = [code("for i in range(1000): print('x' * 100_000)\nprint('the end')")]
    notebook = write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    (result,) = hands("notebook.run", path=path, cells=["c0"], revs=revs(*cells))["results"]
    grown = process.memory_info().rss - before
    assert result["status"] == "ok" and result["droppedChars"] > 85_000_000
    assert sum(len(output.get("text", "")) for output in result["outputs"]) <= 100_000
    assert notebook.stat().st_size < 12_000_000
    assert "".join(cells_of(notebook)[0]["outputs"][-1]["text"]).endswith("the end\n")
    assert grown < 150 * 1024 * 1024, f"{grown / 1e6:.0f} MB"


# -- questions ---------------------------------------------------------------------------------------------------------
def test_variables_and_docs_are_told_also_while_a_cell_runs(hands, standing):
    async def main():
        async with (
            hands.connected() as wire,
            begun(hands, wire, standing, "import time; time.sleep(30)") as running,
        ):
            found = await hands.ask(wire, "kernel.variables", path=standing)
            rows = {row["name"]: row for row in found["variables"]}
            assert rows["x"]["type"] == "int" and rows["x"]["summary"] == "41"
            assert rows["words"]["summary"] == "2 items"
            shown = await hands.ask(wire, "kernel.inspect", path=standing, name="words")
            assert "['a', 'b']" in shown["text"]
            docs = await hands.ask(wire, "kernel.docs", path=standing, name="json.dumps")
            assert "Serialize" in docs["text"] and "\x1b" not in docs["text"]
            assert not running.done()
            with pytest.raises(NodeRefused, match="KERNEL_BUSY"):
                await hands.ask(wire, "kernel.execute", path=standing, code="1")
            with pytest.raises(NodeRefused, match="KERNEL_BUSY"):
                await hands.ask(wire, "kernel.try", path=standing, code="1")

    run(main(), LIMIT_S)


def test_what_changed_since_the_last_look_is_told(hands, standing):
    hands("kernel.execute", path=standing, code="fresh = 1; moved = [1]")
    hands("kernel.variables", path=standing)
    hands("kernel.execute", path=standing, code="del fresh; moved = [1, 2]; x = x")
    found = hands("kernel.variables", path=standing)
    changed = {row["name"] for row in found["variables"] if row["changed"]}
    assert changed == {"moved"} and found["removed"] == ["fresh"]


def test_a_question_is_no_way_to_run_code(hands, standing):
    for command in ("kernel.inspect", "kernel.docs"):
        for name in ("x = 5", "__import__('os').abort()", "x()", "", None, "a b"):
            assert refused(hands, command, path=standing, name=name).code == "INVALID_REQUEST"
    assert refused(hands, "kernel.inspect", path=standing, name="nowhere").code == "NO_SUCH_NAME"
    assert refused(hands, "kernel.docs", path=standing, name="json.nothing").code == "NO_SUCH_NAME"
    hands("kernel.execute", path=standing, code="class Evil:\n  def __repr__(self): raise SystemExit\nevil = Evil()")
    rows = {row["name"]: row for row in hands("kernel.variables", path=standing)["variables"]}
    assert rows["evil"]["type"] == "Evil"


def test_packages_are_those_of_the_kernel(hands, standing):
    found = hands("kernel.packages", path=standing)
    assert "ipykernel" in {row["name"] for row in found["packages"]} and found["python"].startswith("3.")


def test_scratch_code_leaves_no_trace_in_the_history(hands, standing):
    before = hands("kernel.execute", path=standing, code="get_ipython().execution_count")["outputs"][0]["text"]
    found = hands("kernel.execute", path=standing, code="print('hi'); [1]")
    assert [output["text"] for output in found["outputs"]] == ["hi\n", "[1]"] and found["status"] == "ok"
    after = hands("kernel.execute", path=standing, code="get_ipython().execution_count")["outputs"][0]["text"]
    assert before == after
    asked = hands("kernel.execute", path=standing, code="input()")
    assert asked["status"] == "error" and "StdinNotImplementedError" in asked["outputs"][0]["text"]
    slow = hands("kernel.execute", path=standing, code="import time; time.sleep(60)", timeoutMs=500)
    assert slow["status"] == "timeout" and slow["ms"] < 10_000


# -- a try -------------------------------------------------------------------------------------------------------------
def test_a_try_tells_the_effect_and_changes_nothing(hands, standing):
    pid = kernel_pid(hands, standing)
    found = hands(
        "kernel.try", path=standing, code="x += 1\nnew = [x]\nprint('in the copy')\n!echo of a program\nx", seconds=5
    )
    assert found["status"] == "ok" and found["value"] == "42"
    assert "in the copy\n" in found["text"] and "of a program" in found["text"]
    assert {row["name"] for row in found["changed"]} >= {"x", "new"}
    assert found["ms"] >= 0 and found["outputs"] == []
    drawn = "from IPython.display import Image, display\ndisplay(Image(data=b'png', format='png'))"
    (picture,) = hands("kernel.try", path=standing, code=drawn)["outputs"]
    assert picture["image"] == {"mediaType": "image/png", "data": "cG5n"}
    failed = hands("kernel.try", path=standing, code="words.clear(); 1 / 0")
    assert failed["status"] == "error" and failed["error"] == "ZeroDivisionError: division by zero"
    endless = hands("kernel.try", path=standing, code="while True: pass", seconds=1)
    assert endless["status"] == "timeout"
    ended = hands("kernel.try", path=standing, code="import os; os._exit(3)")
    assert ended["status"] == "timeout"
    state = hands("kernel.execute", path=standing, code="(x, words, 'new' in globals())")["outputs"][0]["text"]
    assert state == "(41, ['a', 'b'], False)" and kernel_pid(hands, standing) == pid
    children = psutil.Process(pid).children()
    assert children == [], "the copies have ended"


def test_a_try_is_refused_where_the_process_cannot_be_copied(hands, folder):
    cells = [code("import sys, types\nsys.modules['tensorflow'] = types.ModuleType('tensorflow')")]
    write_notebook(folder / "n.ipynb", cells)
    path = f"{folder.name}/n.ipynb"
    hands("notebook.run", path=path, cells=["c0"], revs=revs(*cells))
    found = refused(hands, "kernel.try", path=path, code="1")
    assert found.code == "NOT_SUPPORTED" and "tensorflow" in str(found)


def test_a_dead_kernels_questions_are_refused(hands, folder):
    write_notebook(folder / "n.ipynb", [code("1")])
    for command in ("kernel.variables", "kernel.packages", "notebook.interrupt"):
        assert refused(hands, command, path=f"{folder.name}/n.ipynb").code == "NO_KERNEL"


# -- other managers ----------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:The synchronous:DeprecationWarning")  # Jupyter's, as long as it has them
def test_synchronous_managers_serve_as_well(tmp_path):
    cells = [code("x = 6"), code("x * 7")]
    notebook = write_notebook(tmp_path / "n.ipynb", cells)
    contents = "jupyter_server.services.contents.largefilemanager.LargeFileManager"
    kernels = "jupyter_server.services.kernels.kernelmanager.MappingKernelManager"

    async def main():
        async with own_node(tmp_path, contents_manager_class=contents, kernel_manager_class=kernels) as node:
            op = {"op": "replace", "cell": "c0", "rev": revision("x = 6"), "source": "x = 7"}
            await node.ask("notebook.apply", path="n.ipynb", ops=[op])
            shown = {"c0": revision("x = 7"), "c1": revision("x * 7")}
            found = await node.ask("notebook.run", path="n.ipynb", cells=["c0", "c1"], revs=shown)
            assert found["results"][1]["outputs"][0]["text"] == "49" and found["results"][1]["saved"]
            rows = (await node.ask("kernel.variables", path="n.ipynb"))["variables"]
            assert [row["name"] for row in rows] == ["x"]
            assert (await node.ask("kernel.restart", path="n.ipynb"))["kernel"]["restarts"] == 1
            await node.ask("file.write", path="a.txt", text="one", hash=None)
            assert (await node.ask("file.read", path="a.txt"))["text"] == "one"

    run(main(), LIMIT_S)
    assert cells_of(notebook)[1]["outputs"][0]["data"]["text/plain"] == ["49"]

"""The page's hands in a kernel beside the cells, and with documents as such."""

from __future__ import annotations

import json
import sys

import pytest
from playwright.sync_api import expect

from .hands import Refused
from .page import run, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(180)]

VALUES = "numbers = list(range(5))\nword = 'ab\\n\"c\" 한글'\nimport json as js"
BUSY = "import time\nfor n in range(120):\n    time.sleep(0.1)"


def names(told: dict) -> list[str]:
    return [row["name"] for row in told["variables"]]


def refusal(ask, command: str, **params) -> dict:
    with pytest.raises(Refused) as refused:
        ask(command, **params)
    return refused.value.facts


def test_variables_docs_and_packages_of_an_idle_kernel_and_of_a_busy_one(hands):
    page, ask = hands("look.ipynb", VALUES, BUSY)
    run(page, 0)
    wait_until(page, lambda: ask.read("look.ipynb")[0]["state"] == "ran")
    told = ask("kernel.variables", path="look.ipynb")
    assert names(told) == ["numbers", "word"] and told["variables"][0]["summary"] == "5 items"
    assert told["kernel"]["status"] == "idle" and "changed" not in told["variables"][0]
    ask("kernel.execute", path="look.ipynb", code="numbers = [1]; del word; new = 3")
    told = ask("kernel.variables", path="look.ipynb")
    assert [(row["name"], row["changed"]) for row in told["variables"]] == [("numbers", True), ("new", True)]
    assert told["removed"] == ["word"]
    ask("kernel.execute", path="look.ipynb", code="word = 'ab\\n\"c\" 한글'")
    assert "한글" in ask("kernel.inspect", path="look.ipynb", name="word")["text"]
    assert refusal(ask, "kernel.inspect", path="look.ipynb", name="none_such")["code"] == "NO_SUCH_NAME"
    assert refusal(ask, "kernel.inspect", path="look.ipynb", name="a()")["code"] == "INVALID_REQUEST"
    assert "Serialize" in ask("kernel.docs", path="look.ipynb", name="js.dumps")["text"]
    assert refusal(ask, "kernel.docs", path="look.ipynb", name="js.nothing")["code"] == "NO_SUCH_NAME"
    packages = ask("kernel.packages", path="look.ipynb")
    assert packages["python"] == sys.version.split()[0]
    assert any(row["name"] == "ipykernel" for row in packages["packages"])

    run(page, 1)
    wait_until(page, lambda: ask.read("look.ipynb")[1]["state"] == "running")
    wait_until(page, lambda: ask("notebook.list")["notebooks"][0]["kernel"]["status"] == "busy")
    assert "numbers" in names(ask("kernel.variables", path="look.ipynb"))
    assert "[1]" in ask("kernel.inspect", path="look.ipynb", name="numbers")["text"]
    assert "Serialize" in ask("kernel.docs", path="look.ipynb", name="js.dumps")["text"]
    page.wait_for_timeout(300)
    assert ask("notebook.list")["notebooks"][0]["kernel"]["status"] == "busy", "Lab would show it as idle"
    for command in ("kernel.execute", "kernel.try"):
        assert refusal(ask, command, path="look.ipynb", code="1")["code"] == "KERNEL_BUSY"
    assert ask.read("look.ipynb")[1]["state"] == "running"
    ask("notebook.interrupt", path="look.ipynb")


def test_code_beside_the_document_leaves_the_notebook_and_its_numbers_alone(hands):
    page, ask = hands("scratch.ipynb", "a = 1")
    done = ask("kernel.execute", path="scratch.ipynb", code="for n in range(3): print(n)\nn * 2")
    assert done["status"] == "ok" and [output["kind"] for output in done["outputs"]] == ["stream", "result"]
    assert (done["outputs"][0]["text"], done["outputs"][1]["text"]) == ("0\n1\n2\n", "4")
    failed = ask("kernel.execute", path="scratch.ipynb", code="1 / 0")
    assert failed["status"] == "error" and "ZeroDivisionError" in failed["outputs"][0]["text"]
    late = ask("kernel.execute", path="scratch.ipynb", code="while True: pass", timeoutMs=1500)
    assert late["status"] == "timeout"
    assert ask("kernel.execute", path="scratch.ipynb", code="input()")["status"] == "error"
    run(page, 0)
    wait_until(page, lambda: ask.read("scratch.ipynb")[0]["executionCount"] == 1)
    assert len(ask.read("scratch.ipynb")) == 1


def test_code_is_tried_in_a_copy_of_the_kernel(hands):
    page, ask = hands("try.ipynb", "x = [1, 2]")
    run(page, 0)
    wait_until(page, lambda: ask.read("try.ipynb")[0]["state"] == "ran")
    if sys.platform == "win32":
        assert refusal(ask, "kernel.try", path="try.ipynb", code="x")["code"] == "NOT_SUPPORTED"
        return
    tried = ask("kernel.try", path="try.ipynb", code="x.append(3)\nprint('there')\ny = sum(x)\ny")
    assert tried["status"] == "ok" and tried["value"] == "6" and tried["text"] == "there\n"
    assert {row["name"] for row in tried["changed"]} == {"x", "y"}
    assert ask("kernel.try", path="try.ipynb", code="while True: pass", seconds=1)["status"] == "timeout"
    assert names(ask("kernel.variables", path="try.ipynb")) == ["x"]
    assert "[1, 2]" in ask("kernel.inspect", path="try.ipynb", name="x")["text"]


def test_notebooks_are_created_behind_the_one_in_front_saved_and_shown(hands, lab):
    page, ask = hands("front.ipynb", *(f"v{n} = {n}" for n in range(60)))
    page.locator(".jp-Notebook .cm-content").first.click()
    made = [{"type": "markdown", "source": "# New"}, {"id": "first", "source": "n = 1"}]
    assert ask("notebook.create", path="made.ipynb", cells=made) == {"path": "made.ipynb"}
    page.keyboard.press("Control+End")
    page.keyboard.type("1")
    listed = {each["path"]: each for each in ask("notebook.list")["notebooks"]}
    assert listed["front.ipynb"]["current"] and not listed["made.ipynb"]["visible"]
    assert listed["front.ipynb"]["dirty"] and ask.read("front.ipynb")[0]["source"] == "v0 = 01"
    assert [cell["source"] for cell in ask.read("made.ipynb")] == ["# New", "n = 1"]
    assert refusal(ask, "notebook.create", path="made.ipynb")["code"] == "EXISTS"
    assert refusal(ask, "notebook.create", path="other.ipynb", kernelName="none")["code"] == "NO_KERNEL"
    assert ask("notebook.save", path="front.ipynb") == {"dirty": False}
    assert json.loads((lab.work / "front.ipynb").read_text())["cells"][0]["source"] == ["v0 = 01"]
    seen = [{"cell": cell["id"], "rev": cell["rev"]} for cell in ask.read("made.ipynb")]
    ask.apply("made.ipynb", {"op": "replace", "cell": "first", "source": "n = 2"})
    assert refusal(ask, "notebook.delete", path="made.ipynb", cells=seen)["code"] == "CONFLICT"
    assert "made.ipynb" in {each["path"] for each in ask("notebook.list")["notebooks"]}
    seen = [{"cell": cell["id"], "rev": cell["rev"]} for cell in ask.read("made.ipynb")]
    ask("notebook.delete", path="made.ipynb", cells=seen)
    assert not (lab.work / "made.ipynb").exists() and not page.locator(".jp-Dialog").count()
    assert "made.ipynb" not in {each["path"] for each in ask("notebook.list")["notebooks"]}
    ask("notebook.reveal", path="front.ipynb", cell="cell50")
    expect(page.locator(".jp-Notebook .cm-line", has_text="v50 = 50")).to_be_in_viewport()


def test_a_notebook_without_a_kernel_and_one_of_another_language_say_so(hands, lab):
    kernels = lab.folder / "share" / "kernels" / "other"
    kernels.mkdir(parents=True, exist_ok=True)
    code = (
        "import ipykernel.kernelapp as app, ipykernel.ipkernel as ip; "
        "ip.IPythonKernel.language_info = {'name': 'julia', 'file_extension': '.jl'}; app.launch_new_instance()"
    )
    argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
    (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Other", "language": "julia"}))
    page, ask = hands("other-language.ipynb", "a = 1", kernel="other")
    facts = refusal(ask, "kernel.variables", path="other-language.ipynb")
    assert (facts["code"], facts["language"]) == ("NOT_SUPPORTED", "julia")
    assert refusal(ask, "kernel.try", path="other-language.ipynb", code="a")["code"] == "NOT_SUPPORTED"
    assert ask("notebook.read", path="other-language.ipynb")["kernel"]["language"] == "julia"
    ask.apply("other-language.ipynb", {"op": "replace", "cell": "cell0", "source": "a = 2; print(a)"})
    ran = ask.run("other-language.ipynb", "cell0")
    wait_until(page, ran.done)
    (result,) = ran.result()["results"]
    assert (result["status"], result["outputs"][0]["text"]) == ("ok", "2\n")
    assert refusal(ask, "kernel.try", path="other-language.ipynb", code="1")["code"] == "NOT_SUPPORTED"
    assert "Return the number of items" in ask("kernel.docs", path="other-language.ipynb", name="len")["text"]
    assert ask("kernel.execute", path="other-language.ipynb", code="a = 3; a")["outputs"][0]["text"] == "3"
    page.get_by_text("Kernel", exact=True).first.click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    wait_until(page, lambda: ask("notebook.list")["notebooks"][0]["kernel"] is None)
    for command in ("kernel.variables", "kernel.execute", "notebook.interrupt", "kernel.restart"):
        assert refusal(ask, command, path="other-language.ipynb", code="1")["code"] == "NO_KERNEL"

"""The magics in a real kernel, at a real gateway, in front of a scripted model."""

from __future__ import annotations

import base64
import json

import pytest

pytestmark = pytest.mark.slow


def asked(api) -> list[dict]:
    """The content blocks of the newest question that reached the model."""
    turns = [r.body["messages"] for r in api.requests if r.path.endswith("/messages") and r.body.get("stream")]
    return turns[-1][-1]["content"]


def words(api) -> str:
    return "\n".join(block.get("text", "") for block in asked(api))


def test_the_cell_is_the_question_and_the_reply_is_stored_as_markdown(kernel, api):
    ran = kernel.run("%%clawdbot\nWhat is a **median**? [[text=The *middle* value.]]")
    assert ran.errors == [] and "The *middle* value." in ran.markdown
    assert all("text/plain" in out["data"] for out in ran.outputs)
    assert "What is a **median**?" in words(api)


def test_a_long_reply_is_seen_to_grow(kernel):
    ran = kernel.run("%%clawdbot\n[[tokens=40]][[delay_ms=20]]")
    assert ran.updates >= 3 and "t39" in ran.markdown and len(ran.outputs) == 1


def test_values_and_variables_go_along(kernel, api):
    kernel.run("import types\nclass Series:\n    dtype='int64'\nrows = [1, 2, 3]; name = 'Ann'")
    kernel.run("%%clawdbot --var rows\nHow many rows has {name}? Keep {this} and {'a': 1}. [[text=ok]]")
    assert "How many rows has Ann? Keep {this} and {'a': 1}." in words(api)
    assert "`rows`: list, 3 items" in words(api) and "[1, 2, 3]" in words(api)


def test_a_figure_goes_along_as_a_picture(kernel, api):
    kernel.run("import PIL.Image\npicture = PIL.Image.new('RGB', (40, 30), 'red')")
    ran = kernel.run("%%clawdbot --var picture\nWhat colour? [[text=Red.]]")
    assert ran.errors == [] and "Red." in ran.markdown
    images = [block for block in asked(api) if block["type"] == "image"]
    assert len(images) == 1
    assert base64.b64decode(images[0]["source"]["data"])[:3] in (b"\x89PN", b"\xff\xd8\xff", b"RIF")


def test_insert_puts_the_code_of_the_reply_into_the_next_cell(kernel):
    reply = json.dumps("Here:\n\n```python\nprint(6 * 7)\n```\n\nDone.")[1:-1]
    ran = kernel.run(f"%%clawdbot --insert\n[[text={reply}]]".replace("\\n", "\n"))
    assert ran.next_input == "print(6 * 7)", ran
    assert kernel.run("%%clawdbot --insert\n[[text=no code here]]").next_input is None


def test_fix_sends_the_failed_cell_with_its_traceback(kernel, api):
    kernel.run("def ratio(a, b):\n    return a / b\nratio(1, 0)")
    kernel.run("1 + 1")
    ran = kernel.run("%clawdbot fix in one line")
    assert ran.errors == []
    assert "return a / b" in words(api) and "ZeroDivisionError: division by zero" in words(api)
    assert "in one line" in words(api) and "IPython" not in words(api)
    kernel.run("%clawdbot explain")
    assert "1 + 1" in words(api) and "ZeroDivisionError" not in words(api)


def test_interrupting_the_cell_stops_the_reply_and_keeps_what_is_there(kernel, home):
    running = kernel.start("%%clawdbot\n[[tokens=2000]][[delay_ms=20]]")
    begun = kernel.collect(running, until="t3")
    assert begun.markdown
    kernel.interrupt()
    ended = kernel.collect(running)
    assert ended.errors == []
    status = kernel.run("%clawdbot stop")
    assert "Nothing is being answered" in status.markdown


def test_the_sessions_of_the_gateway_are_listed_chosen_and_made(kernel):
    opened = kernel.run("%clawdbot new A notebook's own").markdown
    assert "agent:main:" in opened
    listed = kernel.run("%clawdbot sessions").markdown
    assert "A notebook's own" in listed and "**→**" in listed
    assert "`main`" in kernel.run("%clawdbot use main").markdown
    assert "claude-sonnet-5-5" in kernel.run("%clawdbot models").markdown
    assert "Claude Sonnet 5.5" in kernel.run("%clawdbot status").markdown


def test_what_is_wrong_is_said_in_a_sentence(kernel):
    for line, said in (("%clawdbot nonsense", "is not known"), ("%%clawdbot --wrong\nx", "is no option"),
                       ("%%clawdbot --var\nx", "wants a value"), ("%%clawdbot --var nope\nx", "no variable `nope`"),
                       ("%%clawdbot\n ", "question is empty"), ("%clawdbot use nothing-like-it", "Clawdbot:")):
        ran = kernel.run(line)
        assert ran.errors == [] and said in ran.markdown, (line, ran)


def test_an_error_of_the_model_is_told_with_what_to_do(kernel):
    ran = kernel.run("%%clawdbot\n[[error=401]]")
    assert ran.errors == [] and "**Clawdbot:" in ran.markdown


def test_everything_can_be_completed(kernel):
    kernel.run("frame_of_mine = 1")
    assert "status" in kernel.complete("%clawdbot sta")
    assert "frame_of_mine" in kernel.complete("%%clawdbot --var frame_of")
    assert "--insert" in kernel.complete("%%clawdbot --ins")
    assert any(match.startswith("claude-sonnet") for match in kernel.complete("%clawdbot model claude-s"))
    key = kernel.run("%clawdbot new").markdown.split("`")[1]
    begun, rest = key[:-4], key[-4:]
    assert any(match.endswith(rest) for match in kernel.complete(f"%clawdbot use {begun}"))


def test_nothing_secret_is_in_the_kernel_or_in_an_output(kernel, home):
    environment = kernel.run("import os\nprint(sorted(os.environ.items()))").text
    assert home.token not in environment and "sk-canary-key" not in environment
    outputs = kernel.run("%clawdbot status").markdown + kernel.run("%clawdbot help").markdown
    assert home.token not in outputs and "sk-canary-key" not in outputs

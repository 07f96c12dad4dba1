"""The magics in a real kernel, at a real gateway, in front of a scripted model."""

from __future__ import annotations

import base64
import json

import pytest

from clawdbot_ext.notebook.magics import first_code

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
    without = kernel.run("%%clawdbot --insert\n[[text=no code here]]")
    assert without.next_input is None and "no Python code" in without.markdown and without.errors == []


REPLIES = (
    ("Run this:\n\n```sh\npip install x\n```\n\nand then\n\n```python\nimport x\n```", "import x"),
    ("```sh\npip install x\n```\n\nProse between.\n\n```\n$ not python\n```", None),
    ("1. First:\n\n   ```python\n   for i in y:\n       print(i)\n   ```\n\n2. Rest.", "for i in y:\n    print(i)"),
    ("> ~~~py\n> a = 1\n> ~~~", "a = 1"),
    ("````python title=\"a\"\ns = '```'\n````", "s = '```'"),
    ("```{.python .numbers}\nb = 2\n```", "b = 2"),
    ("```Python\nc = 3", "c = 3"),
    ('```json\n{"a": 1}\n```\n\n```\nd = 4\n```', "d = 4"),
    ("```\nlater = 1\n```\n```python\nfirst = 1\n```", "first = 1"),
    ("```python\n```\n\n```python\ne = 5\n```", "e = 5"),
    ("`python` and ``` inline ``` only", None),
    ("    indented = 1", None),
)


@pytest.mark.parametrize(("reply", "code"), REPLIES)
def test_the_code_of_a_reply_is_its_python(reply, code):
    assert first_code(reply) == code


def test_the_code_of_a_long_reply_is_found_in_no_time():
    for pumped in ("```\n", "~~~python\n", "- ", "> ", "`"):
        first_code(pumped * (40_000 // len(pumped)))


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
    assert ended.errors == ["Stopped: Stopped."]  # an interrupted cell has failed, so that *Run All* stops, too
    assert "t3" in ended.updated and ended.updated.endswith("*Stopped.*")
    status = kernel.run("%clawdbot stop")
    assert "No reply is running" in status.markdown


def test_the_sessions_of_the_gateway_are_listed_chosen_and_made(kernel):
    opened = kernel.run("%clawdbot new A notebook's own").markdown
    assert "agent:main:" in opened
    listed = kernel.run("%clawdbot sessions").markdown
    assert "A notebook's own" in listed and "**→**" in listed
    assert "`main`" in kernel.run("%clawdbot use main").markdown
    assert "claude-sonnet-5-5" in kernel.run("%clawdbot models").markdown
    assert "Claude Sonnet 5.5" in kernel.run("%clawdbot status").markdown


WRONG = (
    ("%clawdbot nonsense", "There is no command `%clawdbot nonsense`"),
    ("%clawdbot stauts", "Did you mean `status`?"),
    ("%clawdbot What is a median?", "To ask: `%clawdbot ask What is a median?`"),
    ("%clawdbot status now", "takes no arguments"),
    ("%clawdbot models --insert", "does not take `--insert`"),
    ("%%clawdbot --wrong\nx", "There is no option"),
    ("%%clawdbot --insrt\nx", "Did you mean `--insert`?"),
    ("%clawdbot ask --wrong x", "There is no option"),
    ("%%clawdbot --var\nx", "needs a value"),
    ("%%clawdbot --var nope\nx", "no variable `nope`"),
    ("%%clawdbot\n ", "question is empty"),
    ("%%clawdbot", "question is empty"),
    ("%%clawdbot What is it?", "`%clawdbot ask What is it?`"),
    ("%clawdbot ask", "question is empty"),
    ("%clawdbot use", "Which session?"),
    ("%clawdbot model", "Which model?"),
    ("%clawdbot use nothing-like-it", "Clawdbot: No session found"),
    ("%clawdbot model sonnett", "There is no model `sonnett`"),
    ("%%clawdbot -m sonnett\nx", "There is no model"),
)


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_what_is_wrong_fails_the_cell_and_is_said_in_a_sentence(kernel, api, line, said):
    """So that *Run All* and papermill stop there; a traceback of ours would tell a user nothing."""
    ran = kernel.run(line)
    [error] = [out for out in ran.outputs if "ename" in out]
    assert said in error["evalue"] and error["traceback"] == [error["evalue"]], error
    assert ran.markdown == "" and not [r for r in api.requests if r.body.get("stream")]


def test_with_keep_going_it_is_an_output_and_no_failure(kernel):
    for line in (
        "%clawdbot nonsense --keep-going",
        "%clawdbot --keep-going nonsense",
        "%clawdbot use --keep-going nothing-like-it",
        "%%clawdbot --keep-going --wrong\nx",
        "%%clawdbot --keep-going\n{1 / len([])}",
        "%%clawdbot --keep-going\n[[error=401]]",
        "%clawdbot ask --keep-going [[error=401]]",
    ):
        ran = kernel.run(line)
        assert ran.errors == [] and len(ran.markdown) > 20, (line, ran)


def test_an_error_of_the_model_fails_the_cell_and_says_what_to_do(kernel):
    ran = kernel.run("%%clawdbot\n[[error=401]]")
    assert len(ran.outputs) == 1 and ran.errors[0].startswith("ClawdbotError: Clawdbot: ") and "key" in ran.errors[0]


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("%clawdbot ask What does it depend on?", "What does it depend on?"),
        ("%clawdbot ask 분산이 뭐예요?", "분산이 뭐예요?"),
        ("%clawdbot ask really??", "really??"),
        ("%clawdbot ask what's (this [one?\nz = 1", "what's (this [one?"),
        ('%clawdbot ask is """ a string?', 'is """ a string?'),
        ("if True:\n    %clawdbot ask indented?", "indented?"),
        ("%clawdbot ask costs $name or $5", "costs $name or $5"),
        ("%clawdbot ask -- --var is what?", "--var is what?"),
        ("%clawdbot ask -5 degrees, is that cold?", "-5 degrees, is that cold?"),
        ("def f(inner):\n    %clawdbot ask {inner} and {name}?\nf('local')", "local and Ann?"),
    ],
)
def test_a_line_is_sent_as_it_stands_and_not_taken_for_help(kernel, api, line, question):
    kernel.run("name = 'Ann'")
    ran = kernel.run(line)
    assert ran.errors == [] and "not found" not in ran.text
    assert words(api).splitlines()[-1] == question


def test_help_stays_help(kernel, api):
    for line in ("%clawdbot?", "%%clawdbot?"):
        assert "puts a value in" in kernel.run(line).page, line
    for line in (
        "%clawdbot",
        "%clawdbot help",
        "%clawdbot -h",
        "%clawdbot --help",
        "%clawdbot fix?",
        "%%clawdbot --help\nx",
    ):
        ran = kernel.run(line)
        assert ran.errors == [] and "puts a value in" in ran.markdown, line
    assert "%clawdbot ask is this it?" in kernel.run('print("""\n%clawdbot ask is this it?\n""")').text
    assert not [r for r in api.requests if r.body.get("stream")]


def test_the_options_of_the_cell_go_with_a_line_too(kernel, api):
    kernel.run("rows = [1, 2, 3]")
    reply = kernel.run("%clawdbot ask --var rows -m claude-opus-5-5 How many? [[text=ok]]")
    assert reply.errors == [] and "`rows`: list, 3 items" in words(api)
    assert [r.body["model"] for r in api.requests if r.body.get("stream")][-1] == "claude-opus-5-5"
    kernel.run("1 / 0")
    kernel.run("%clawdbot fix --var rows shortly")
    assert "`rows`: list" in words(api) and "ZeroDivisionError" in words(api) and "shortly" in words(api)


def test_a_value_goes_in_as_in_an_f_string_and_code_stays(kernel, api):
    kernel.run("spread = 8.0443; x = 'y'; f = len; rows = [1, 2]")
    text = '{spread:.1f} {x!r} {f(x)} {len(rows)} {"a": 1} `{x}` {id}'
    ran = kernel.run(f"%%clawdbot\n{text}")
    assert "8.0 'y' 1 2 {\"a\": 1} `{x}` {id}" in words(api)
    assert "there is no variable with that name: `{id}`" in ran.markdown
    kernel.run(f"%%clawdbot --raw\n{text}")
    assert text in words(api)
    api.requests.clear()
    failed = kernel.run("%%clawdbot\n{spred:.1f} cm")
    assert "`{spred:.1f}` has no value: NameError" in failed.errors[0] and not api.requests
    kernel.run("label = 'From a value'")
    assert "From a value" in kernel.run("%clawdbot new {label}\n%clawdbot sessions").markdown


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


def test_a_displayed_widget_says_in_html_how_to_see_it_and_its_chips_have_the_variables_names(kernel):
    ran = kernel.run(
        "from clawdbot_ext import ChatWidget\nmine = {'a': 1}\n"
        "chat = ChatWidget('chips', context=[mine, 5])\ndisplay(chat)\nprint(type(chat).__mro__)"
    )
    bundle = ran.outputs[0]["data"]
    assert "jupyter-clawdbot[anywidget]" in bundle["text/html"] and "anywidget" not in ran.text
    comm = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    kernel.tell(comm, {"method": "custom", "content": {"kind": "ready"}})
    kernel.run("1")
    told = [
        m["content"]["data"]["content"]
        for m in kernel.comms
        if m["msg_type"] == "comm_msg"
        and m["content"]["comm_id"] == comm
        and m["content"]["data"].get("method") == "custom"
    ]
    assert [each["label"] for each in told[-1]["files"]] == ["mine", "value-2.md"]


def test_on_message_hears_questions_and_answers_once_each(kernel):
    kernel.run(
        "from clawdbot_ext import ChatWidget\nheard = []\nchat = ChatWidget('heard')\nchat.on_message(heard.append)"
    )
    told = kernel.run("""import time
chat.ask("One [[text=Two.]]").text
deadline = time.monotonic() + 60
while len(heard) < 2 and time.monotonic() < deadline:
    time.sleep(0.02)
chat._client.request("chat.inject", {"sessionKey": "heard", "message": "Three."})
while len(heard) < 3 and time.monotonic() < deadline:
    time.sleep(0.02)
print([(each["role"], each["content"][0]["text"]) for each in heard])""")
    assert told.text == "[('user', 'One [[text=Two.]]'), ('assistant', 'Two.'), ('assistant', 'Three.')]\n", told

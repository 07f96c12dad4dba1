"""Code that is sent into Python kernels: their variables and packages, and a try in a copy of the kernel.

It runs in the person's process, whatever is installed there: nothing but the standard library, no import of what is not
loaded, and no ``__repr__`` of a foreign class.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

MOST_NAMES = 300
MOST_SUMMARY = 120
MOST_TEXT = 20_000
MOST_PICTURE = 2_000_000
HIDDEN = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})
"""IPython's own."""
NOT_COPIED = ("torch.cuda", "tensorflow", "jax", "pyspark", "cupy", "numba.cuda", "dask.distributed", "ray")
"""Modules whose process cannot be copied by ``fork``: devices, threads and connections of their own."""


def variables(namespace: Mapping[str, Any]) -> str:
    """The variables as JSON: name, type, a short summary, and a mark that changes when another value is bound."""
    module = type(sys)
    found = []
    for name, value in list(namespace.items()):
        if name.startswith("_") or name in HIDDEN or isinstance(value, module):
            continue
        if isinstance(value, type) or (callable(value) and hasattr(type(value), "__code__")):
            continue
        kind = type(value)
        function = kind.__name__ in ("function", "builtin_function_or_method", "method")
        row = {"name": name, "type": kind.__name__, "mark": f"{id(value)}:{_size(value)}"}
        if kind.__module__ not in ("builtins", "__main__"):
            row["module"] = kind.__module__
        summary = "" if function else _summary(value)
        if summary:
            row["summary"] = summary
        found.append(row)
    return json.dumps({"variables": found[-MOST_NAMES:], "more": max(0, len(found) - MOST_NAMES)})


def _size(value: Any) -> str:
    try:
        if type(value) in (int, float, bool, str, bytes, complex):
            return str(hash(value))
        return str(getattr(value, "shape", "") or (len(value) if type(value) in (list, dict, set, tuple) else ""))
    except Exception:  # noqa: BLE001 - a foreign class
        return ""


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)"


def _summary(value: Any) -> str:
    kind = type(value)
    try:
        if kind in (int, float, bool, complex, type(None)):
            return _cut(repr(value), MOST_SUMMARY)
        if kind in (str, bytes):
            return f"{len(value)} {'characters' if kind is str else 'bytes'}: {value[:60]!r}"[:MOST_SUMMARY]
        if kind in (list, tuple, set, frozenset, dict):
            return f"{len(value)} items"
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            words = [f"shape {shape}"]
            columns = getattr(value, "columns", None)
            if columns is not None and len(shape) == 2:
                more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
                words.append("columns " + ", ".join(_cut(str(name), 40) for name in list(columns[:12])) + more)
            elif hasattr(value, "dtype"):
                words.append(f"dtype {value.dtype}")
            return _cut(", ".join(words), 5 * MOST_SUMMARY)
    except Exception:  # noqa: BLE001 - a foreign class
        return ""
    return ""


def packages() -> str:
    """The distributions that the kernel can import, as JSON, with the version of Python."""
    from importlib.metadata import distributions

    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(name, distribution.version)
    rows = [{"name": name, "version": found[name]} for name in sorted(found, key=str.lower)]
    return json.dumps({"python": sys.version.split()[0], "packages": rows})


def tried(shell: Any, code: str, seconds: int) -> str:
    """Run ``code`` in a forked copy of this process and tell what came of it, as JSON.

    The copy has the variables as they are now and is ended afterwards; files and network are the real ones. A signal
    ends an endless loop, the parent ends a copy that does not answer.
    """
    import os

    if not hasattr(os, "fork") or sys.platform == "win32":
        return json.dumps({"refused": "this system cannot copy a process"})
    loaded = [name for name in NOT_COPIED if name in sys.modules and _in_use(name)]
    if loaded:
        return json.dumps({"refused": f"a process that uses {', '.join(loaded)} cannot be copied"})
    import signal
    import time
    import warnings

    began = time.monotonic()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of threads; what the copy does needs none of them
        child = os.fork()
    if child == 0:
        os.close(reader)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(max(1, int(seconds)))
        try:
            os.setpgid(0, 0)
            text = _in_copy(shell, code)
        except BaseException as exc:  # noqa: BLE001 - nothing may go on in the copy
            text = json.dumps({"status": "error", "text": "", "error": f"{type(exc).__name__}: {exc}"[:1000]})
        try:
            os.write(writer, text.encode("utf-8", "replace"))
        finally:
            os._exit(0)
    os.close(writer)
    answer = _answer_of(child, reader, seconds)
    return json.dumps({**json.loads(answer), "ms": round((time.monotonic() - began) * 1000)})


def _in_use(name: str) -> bool:
    module = sys.modules[name]
    check = getattr(module, "is_initialized", None) if name == "torch.cuda" else None
    return bool(check()) if check is not None else True


def _answer_of(child: int, reader: int, seconds: int) -> str:
    import contextlib
    import os
    import select
    import signal
    import time

    ends, data = time.monotonic() + seconds + 2, b""
    while True:
        left = ends - time.monotonic()
        ready = select.select([reader], [], [], max(left, 0))[0] if left > 0 else []
        if not ready:
            break
        part = os.read(reader, 65536)
        if not part:
            break
        data += part
    os.close(reader)
    for kill in (os.killpg, os.kill):  # also what it has started
        with contextlib.suppress(OSError):
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not data:
        return json.dumps({"status": "timeout", "text": "", "error": f"ended after {seconds} s"})
    return data.decode("utf-8", "replace")


def _in_copy(shell: Any, code: str) -> str:
    import ast
    import base64
    import io
    import os
    import tempfile
    import traceback

    out, programs = io.StringIO(), tempfile.TemporaryFile()  # noqa: SIM115 - the process ends here
    pictures: list[Any] = []
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(programs.fileno(), descriptor)
    sys.stdout = sys.stderr = out
    sys.stdin = open(os.devnull)  # noqa: SIM115 - the process ends here

    def publish(data: Any, *_: Any, **__: Any) -> None:
        """Write what would be displayed, never by the connections of the process that this is a copy of."""
        out.write(f"{data.get('text/plain', '[an output]')}\n")
        if "image/png" in data and len(pictures) < 2 and len(data["image/png"]) < MOST_PICTURE:
            pictures.append(data["image/png"])

    shell.display_pub.publish = publish
    sys.displayhook = sys.__displayhook__
    namespace = shell.user_ns
    before = {row["name"]: row["mark"] for row in json.loads(variables(namespace))["variables"]}
    answer: dict[str, Any] = {"status": "ok"}
    try:
        tree = ast.parse(shell.transform_cell(code), "<try>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<try>", "exec"), namespace)  # noqa: S102 - what a person has allowed to be tried
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<try>", "eval"), namespace)  # noqa: S307 - likewise
            if value is not None:
                answer["value"] = _cut(repr(value), MOST_TEXT)
    except BaseException as exc:  # noqa: BLE001 - the code's own
        answer["status"] = "error"
        answer["error"] = "".join(traceback.format_exception_only(type(exc), exc)).strip()[:4000]
        answer["traceback"] = traceback.format_exc()[-4000:]
    after = json.loads(variables(namespace))["variables"]
    answer["changed"] = [row for row in after if before.get(row["name"]) != row["mark"]][:50]
    names = {row["name"] for row in after}
    answer["removed"] = [name for name in before if name not in names][:50]
    programs.seek(0)
    text = out.getvalue() + programs.read(MOST_TEXT).decode("utf-8", "replace")
    encoded = [data if isinstance(data, str) else base64.b64encode(data).decode() for data in pictures]
    answer["outputs"] = [
        {"kind": "display", "mimes": ["image/png"], "image": {"mediaType": "image/png", "data": data}}
        for data in encoded
    ]
    answer["text"] = text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 2]}\n…\n{text[-MOST_TEXT // 2 :]}"
    return json.dumps(answer)

"""``kernel.variables``, ``inspect``, ``docs``, ``packages`` and ``try``: what a kernel says of its state, and a try in
a copy of it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ...client import describe
from ...escapes import clean
from . import kernel_code
from .errors import HandsError
from .host import JupyterHost
from .kernels import KernelLink, Kernels
from .outputs import joined
from .sessions import Sessions

MOST_TEXT = 20_000
TRY_S, MOST_TRY_S = 10, 30
PACKAGES_S = 30.0
PICTURE_S = 0.3
"""Seconds that the kernel has to say that it is idle; a figure is drawn only then."""


class Introspection:
    """Questions to the kernels of one server that change nothing in them."""

    def __init__(self, host: JupyterHost, sessions: Sessions, kernels: Kernels):
        self._host, self._sessions, self._kernels = host, sessions, kernels
        self._seen: dict[tuple[str, int], dict[str, str]] = {}
        """Kernel and incarnation → marks of the variables at the last look."""

    async def variables(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.variables {path}``: also what has changed since the last look here."""
        link = await self._link(params)
        found = await self._evaluate(link, kernel_code, f"variables({_NAMESPACE})")
        key = link.kernel_id, link.incarnation
        before, now = self._seen.get(key), {row["name"]: row.pop("mark") for row in found["variables"]}
        if len(self._seen) > 100:
            self._seen.clear()
        self._seen[key] = now
        if before is not None:
            for row in found["variables"]:
                row["changed"] = before.get(row["name"]) != now[row["name"]]
            found["removed"] = [name for name in before if name not in now]
        return {**found, "kernel": self._sessions.describe(link.kernel_id)}

    async def inspect(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.inspect {path, name, detail}``: one variable; a frame by schema and head, a figure as a picture."""
        name = params.get("name")
        link = await self._link(params)
        if link.language != "python":
            return await self._inspected(link, _dotted(name), 1 if params.get("detail") in ("full", 2) else 0)
        if not isinstance(name, str) or not name.isidentifier():
            raise HandsError("INVALID_REQUEST", "name is the name of a variable")
        value, idle = f"{_NAMESPACE}[{name!r}]", await link.is_idle(PICTURE_S)
        # Never drawn beside a running cell: matplotlib is not made for two threads.
        told = f"told({name!r}, {value})" if idle else f"json.dumps({{'text': describe({name!r}, {value})}})"
        expression = f"{told} if {name!r} in {_NAMESPACE} else 'null'"
        found = await self._evaluate(link, describe, expression, beside=not idle)
        if found is None:
            raise HandsError("NO_SUCH_NAME", f"the kernel has no variable {name}", name=name)
        answer: dict[str, Any] = {"name": name, "text": found["text"], "leftOut": found.get("leftOut", {})}
        if found.get("picture"):
            answer["image"] = {"mediaType": "image/png", "data": found["picture"]}
        return answer

    async def docs(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.docs {path, name}``: signature and docstring of what the kernel has under a dotted name."""
        name = _dotted(params.get("name"))
        return await self._inspected(await self._link(params), name, 0)

    async def _inspected(self, link: KernelLink, name: str, detail: int) -> dict[str, Any]:
        content = {"code": name, "cursor_pos": len(name), "detail_level": detail}
        reply = await link.ask("inspect_request", content)
        if reply.get("status") != "ok" or not reply.get("found"):
            raise HandsError("NO_SUCH_NAME", f"the kernel knows no {name}", name=name)
        text = clean(joined((reply.get("data") or {}).get("text/plain")))
        return {"name": name, "text": text[:MOST_TEXT], "truncated": len(text) > MOST_TEXT}

    async def packages(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.packages {path}``."""
        link = await self._link(params)
        found: dict[str, Any] = await self._evaluate(link, kernel_code, "packages()", timeout_s=PACKAGES_S)
        return found

    async def try_code(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``kernel.try {path, code, seconds}``: run in a forked copy; the person's state stays as it is."""
        await self._host.require("execute", "kernels")
        code, seconds = params.get("code"), params.get("seconds") or TRY_S
        if not isinstance(code, str) or not isinstance(seconds, int | float):
            raise HandsError("INVALID_REQUEST", "code is a text, seconds a number")
        seconds = max(1, min(int(seconds), MOST_TRY_S))
        link = await self._link(params)
        await link.require_idle("a cell runs; the kernel is copied between two cells")
        expression = f"tried(__import__('IPython').get_ipython(), {code!r}, {seconds})"
        found: dict[str, Any] = await self._evaluate(
            link, kernel_code, expression, beside=False, timeout_s=seconds + 10
        )
        if reason := found.get("refused"):
            raise HandsError("NOT_SUPPORTED", reason)
        return {**found, "text": clean(found.get("text", ""))}

    async def _link(self, params: Mapping[str, Any]) -> KernelLink:
        await self._host.require("execute", "kernels")
        return await self._kernels.link(await self._sessions.kernel_id(await self._host.path(params.get("path"))))

    async def _evaluate(
        self, link: KernelLink, module: Any, expression: str, *, beside: bool = True, timeout_s: float = 10.0
    ) -> Any:
        """The value, given as JSON, of an expression over the functions of a module that is sent along.

        Raises:
            HandsError: ``NOT_SUPPORTED`` for a kernel that is not Python's; as ``KernelLink.ask``; ``FAILED``.
        """
        if link.language != "python":
            raise HandsError("NOT_SUPPORTED", f"only of Python kernels, and this one is {link.language or 'another'}")
        whole = (
            f"(lambda space: (exec({_source(module)!r}, space), eval({expression!r}, space))[1])({{'__name__': 'x'}})"
        )
        content = {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"value": whole},
            "allow_stdin": False,
        }
        if beside:
            reply = await link.ask("execute_request", content, timeout_s=timeout_s)
        else:
            reply = await link.request("execute_request", content, timeout_s=timeout_s)
        value = (reply.get("user_expressions") or {}).get("value") or {}
        if value.get("status") != "ok":
            said = f"{value.get('ename')}: {value.get('evalue')}" if value else "no answer"
            raise HandsError("FAILED", f"the kernel did not answer: {said}"[:500])
        try:
            return json.loads(ast.literal_eval(value["data"]["text/plain"]))
        except (ValueError, SyntaxError, KeyError, RecursionError, MemoryError) as exc:
            raise HandsError("FAILED", "the kernel's answer is not understood") from exc


_NAMESPACE = "__import__('IPython').get_ipython().user_ns"


@cache
def _source(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


def _dotted(name: Any) -> str:
    """A name of names; never code, which asking for its docs would run. Raises ``INVALID_REQUEST``."""
    if not isinstance(name, str) or len(name) > 200 or not all(part.isidentifier() for part in name.split(".")):
        raise HandsError("INVALID_REQUEST", "name is a name such as pandas.DataFrame.merge")
    return name

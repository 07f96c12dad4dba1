"""Outputs of cells: as a kernel's messages make them, and as they are sent to the gateway."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...agent.media.readers.notebook_text import names_an_object, without_images, without_tags
from ...agent.media.readers.text_screen import TextScreen, final_state
from ...escapes import clean

Output = dict[str, Any]
"""``{kind, mimes, name?, text?, image?, truncatedChars?}`` of the wire."""

BRIEF_OUTPUTS = 50
BRIEF_CHARACTERS, PAGE_CHARACTERS = 2_000, 100_000
PAGE_IMAGES = 4
PAGE_IMAGE_CHARACTERS = 12_000_000
"""Of base64: all pictures of one answer. The gateway scales what is more than a model takes."""
MAX_IMAGE_CHARACTERS = 10_000_000
"""A larger picture is named and left out."""
MAX_KEPT_BYTES = 10 * 1024 * 1024
"""Of the outputs of one execution that are written into a notebook; the end of them is kept, as it says how it went."""
_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_TEXTS = ("text/markdown", "text/latex", "text/plain", "text/html", "application/json", "image/svg+xml")
"""MIME types in order of preference; a table's plain text is shorter than its HTML."""


def joined(value: Any) -> str:
    """nbformat's multi-line strings: a string, or a list of lines with their ends."""
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


# -- for the gateway ---------------------------------------------------------------------------------------------------
def brief(outputs: Iterable[Mapping[str, Any]]) -> list[Output]:
    """A cell's outputs within ``BRIEF_CHARACTERS``, without pictures: of what is longer, beginning and end."""
    left, shown, given = BRIEF_CHARACTERS, [], list(outputs)
    for output in given[:BRIEF_OUTPUTS]:
        sent = to_wire(output, images=False)
        sent = shortened(sent, left)
        left -= len(sent.get("text", ""))
        shown.append(sent)
    if (more := len(given) - BRIEF_OUTPUTS) > 0:
        shown[-1]["text"] = f"{shown[-1].get('text', '')}\n… {more} outputs more …".lstrip()
    return shown


def pages(outputs: Iterable[Mapping[str, Any]]) -> list[list[Output]]:
    """A cell's outputs in pages of ``PAGE_CHARACTERS`` and ``PAGE_IMAGES``; at least one page."""
    made: list[list[Output]] = [[]]
    left, images, room = PAGE_CHARACTERS, PAGE_IMAGES, PAGE_IMAGE_CHARACTERS
    for output in outputs:
        sent = to_wire(output)
        text, size = sent.get("text", ""), image_size(sent)
        while True:
            if (size and (not images or size > room)) or (text and not left) or len(made[-1]) >= 500:
                made.append([])
                left, images, room = PAGE_CHARACTERS, PAGE_IMAGES, PAGE_IMAGE_CHARACTERS
            part = {**sent, "text": text[:left]} if "text" in sent else sent
            made[-1].append(part)
            images, room, size = images - bool(size), room - size, 0
            text, left = text[left:], left - len(part.get("text", ""))
            if not text:
                break
            sent.pop("image", None)
    return made


def image_size(output: Output) -> int:
    """Number of characters of an output's picture in base64; 0: it has none."""
    return len(output["image"]["data"]) if "image" in output else 0


def full(outputs: Iterable[Mapping[str, Any]]) -> list[Output]:
    """The first page, and how much more there is."""
    all_pages = pages(outputs)
    first = all_pages[0]
    more = sum(len(output.get("text", "")) for page in all_pages[1:] for output in page)
    if len(all_pages) > 1 and first:
        first[-1] = {**first[-1], "truncatedChars": more}
    return first


def to_wire(output: Mapping[str, Any], *, images: bool = True) -> Output:
    """One output of nbformat."""
    kind = output.get("output_type")
    if kind == "stream":
        return {
            "kind": "stream",
            "name": str(output.get("name") or "stdout"),
            "text": clean(final_state(joined(output.get("text")))),
            "mimes": [],
        }
    if kind == "error":
        trace = output.get("traceback")
        text = "\n".join(map(str, trace)) if isinstance(trace, list) else ""
        text = text or f"{output.get('ename')}: {output.get('evalue')}"
        return {"kind": "error", "name": str(output.get("ename") or ""), "text": clean(text), "mimes": []}
    data = output.get("data")
    data = data if isinstance(data, Mapping) else {}
    sent: Output = {"kind": "result" if kind == "execute_result" else "display", "mimes": sorted(map(str, data))}
    texts = [name for name in _TEXTS if name in data]
    if len(texts) > 1 and texts[0] == "text/plain" and names_an_object(joined(data["text/plain"])):
        texts.pop(0)
    if texts:
        mime = texts[0]
        sent["text"] = _text(mime, data[mime])
    picture = next((name for name in _IMAGES if name in data), None)
    if picture is not None and images:
        encoded = "".join(joined(data[picture]).split())
        if 0 < len(encoded) <= MAX_IMAGE_CHARACTERS:
            sent["image"] = {"mediaType": picture, "data": encoded}
    return sent


def _text(mime: str, value: Any) -> str:
    text = joined(value) if isinstance(value, str | list) else json.dumps(value, ensure_ascii=False, default=str)
    text = without_images(text)[0]
    return clean(without_tags(text) if mime == "text/html" else final_state(text))


def shortened(output: Output, most: int) -> Output:
    """An output whose text is no longer than about ``most``: its beginning and its end."""
    text = output.get("text", "")
    most = max(most, 0)
    if len(text) <= most:
        return output
    head, tail = most * 2 // 3, most - most * 2 // 3
    kept = f"{text[:head]}\n… {len(text) - most} characters left out …\n{text[len(text) - tail :] if tail else ''}"
    return {**output, "text": kept if most else "", "truncatedChars": len(text) - most}


# -- from a kernel -----------------------------------------------------------------------------------------------------
class Collector:
    """The outputs of one execution as nbformat keeps them, built from the kernel's messages, within a bound.

    Beyond ``MAX_KEPT_BYTES`` the oldest text of the longest stream is let go, and data are left out; ``dropped`` counts
    the characters.
    """

    def __init__(self) -> None:
        self._outputs: list[dict[str, Any]] = []
        self._screens: dict[int, TextScreen] = {}
        """Index of a stream in ``_outputs`` → the screen it is written to: a progress bar is kept as it is now."""
        self._sizes: dict[int, int] = {}
        """By stream: its share of ``_kept``."""
        self._kept = 0
        self._clears = False
        self.dropped = 0
        self.execution_count: int | None = None
        self.failed = False
        """The code raised."""

    def take(self, message: Mapping[str, Any]) -> str | None:
        """Add one ``iopub`` message; text to show as it comes, or ``None`` for a message that is no output."""
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "execute_input":
            self.execution_count = content.get("execution_count")
        elif kind == "clear_output":
            if content.get("wait"):
                self._clears = True
            else:
                self._clear()
        elif kind == "update_display_data":
            self._update(content)
        elif kind == "stream":
            self._clear_if_asked()
            return self._stream(str(content.get("name") or "stdout"), str(content.get("text") or ""))
        elif kind in ("display_data", "execute_result", "error"):
            self._clear_if_asked()
            return self._data(kind, content)
        return None

    def outputs(self) -> list[dict[str, Any]]:
        """The outputs so far, for a notebook."""
        for index, screen in self._screens.items():
            self._outputs[index]["text"] = screen.text()
        return [
            {name: value for name, value in copy.copy(output).items() if name != "transient"}
            for output in self._outputs
            if output["output_type"] != "stream" or output["text"]
        ]

    def _stream(self, name: str, text: str) -> str:
        last = len(self._outputs) - 1
        if last < 0 or self._outputs[last]["output_type"] != "stream" or self._outputs[last]["name"] != name:
            self._outputs.append({"output_type": "stream", "name": name, "text": ""})
            last += 1
            self._screens[last], self._sizes[last] = TextScreen(), 0
        if len(text) > MAX_KEPT_BYTES:
            self.dropped += len(text) - MAX_KEPT_BYTES
            text = text[-MAX_KEPT_BYTES:]
        self._screens[last].feed(text)
        self._sizes[last] += len(text)
        self._kept += len(text)
        if self._kept > MAX_KEPT_BYTES:
            self._forget()
        return text

    def _forget(self) -> None:
        """Let the oldest halves of streams go until what is kept fits."""
        for index in sorted(self._sizes, key=lambda index: -self._sizes[index]):
            screen = self._screens[index]
            self._resize(index, len(screen))
            if self._kept > MAX_KEPT_BYTES:
                self.dropped += screen.drop(self._kept - MAX_KEPT_BYTES // 2)
                self._resize(index, len(screen))

    def _resize(self, index: int, size: int) -> None:
        self._kept += size - self._sizes[index]
        self._sizes[index] = size

    def _data(self, kind: str, content: Mapping[str, Any]) -> str | None:
        output: dict[str, Any] = {"output_type": kind}
        if kind == "error":
            self.failed = True
            output |= {name: content.get(name) for name in ("ename", "evalue", "traceback")}
        else:
            output |= {"data": dict(content.get("data") or {}), "metadata": dict(content.get("metadata") or {})}
            output["transient"] = content.get("transient") or {}
        if kind == "execute_result":
            output["execution_count"] = content.get("execution_count")
        size = _size(output)
        if self._kept + size > MAX_KEPT_BYTES:
            self.dropped += size
            if kind == "error":
                output["traceback"] = [str(line)[:2000] for line in output["traceback"] or []][:50]
                output["evalue"] = str(output["evalue"])[:2000]
            else:
                output["data"] = {"text/plain": f"[an output of {size} characters, not kept]"}
            size = _size(output)
        self._kept += size
        self._outputs.append(output)
        return to_wire(output, images=False).get("text")

    def _update(self, content: Mapping[str, Any]) -> None:
        wanted = (content.get("transient") or {}).get("display_id")
        for output in self._outputs:
            if wanted is not None and output.get("transient", {}).get("display_id") == wanted:
                size, old = _size({"data": content.get("data")}), _size({"data": output["data"]})
                if self._kept + size - old > MAX_KEPT_BYTES:
                    self.dropped += size
                    continue
                self._kept += size - old
                output["data"] = dict(content.get("data") or {})
                output["metadata"] = dict(content.get("metadata") or {})

    def _clear_if_asked(self) -> None:
        if self._clears:
            self._clear()

    def _clear(self) -> None:
        self._outputs, self._screens, self._sizes, self._kept, self._clears = [], {}, {}, 0, False


def _size(output: Mapping[str, Any]) -> int:
    data = output.get("data")
    values: Sequence[Any] = list(data.values()) if isinstance(data, Mapping) else [output.get("evalue")]
    values = [*values, *(output.get("traceback") or ())]
    return sum(len(v) if isinstance(v, str) else len(json.dumps(v, default=str)) for v in values if v is not None)

"""Framing that sets a file's content off from the words of the user and of this program, for the model.

    <attachment id="1f0c9a3b" name="notes.txt" type="text/plain" size="2.1 KB">
    …
    </attachment 1f0c9a3b>

The id is the beginning of the content's hash, so no file can contain the line that ends it. The model's texts are
English whatever the user's language is: a result is then the same for everybody, and cached once.
"""

from __future__ import annotations

from ...i18n import nice_size
from ..context.token_estimate import estimate
from .types import TextBlock
from .worker_client import Job


def opening(job: Job, *facts: str) -> str:
    """The first line, with what should be known of the file before it is read."""
    name = job.name.replace('"', "'").replace("<", "‹").replace(">", "›")
    extra = "".join(f"\n{fact}" for fact in facts if fact)
    return f'<attachment id="{_id(job)}" name="{name}" type="{job.mime_type}" size="{nice_size(job.size)}">{extra}'


def closing(job: Job) -> str:
    return f"</attachment {_id(job)}>"


def _id(job: Job) -> str:
    return job.sha256[:8]


def framed(job: Job, body: str, *facts: str, truncated: bool = False) -> TextBlock:
    """A file that is one text."""
    return TextBlock(f"{opening(job, *facts)}\n{body}\n{closing(job)}", truncated)


def elsewhere(job: Job) -> str:
    """Sentence that names the tool for the rest of a file that is not shown whole."""
    return f"Where you have the tool attachment_read, it reads more of it, by the id {_id(job)}."


def clock(ms: int, *, tenths: bool = False) -> str:
    """A position in a recording: ``0:07``, ``12:34``, ``1:02:03``; ``0:07.4`` with tenths."""
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{text}.{rest // 100}" if tenths else text


def shortened(text: str, most: int) -> str:
    """One value, cell or comment of at most ``most`` characters, and how many more it has."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)"


def trim(text: str, tokens: int) -> tuple[str, int]:
    """``text`` cut to about ``tokens`` at the end of a line, and how many characters were left out."""
    total = estimate(text)
    if total <= tokens:
        return text, 0
    kept = text[: max(0, int(len(text) * tokens / total))]
    while estimate(kept) > tokens:
        kept = kept[: int(len(kept) * 0.9)]
    line_end = kept.rfind("\n")
    if line_end > len(kept) * 0.8:
        kept = kept[:line_end]
    return kept, len(text) - len(kept)

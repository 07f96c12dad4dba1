"""Word, PowerPoint and EPUB as Markdown, through markitdown (extra ``office``), and what that passes over.

They are ZIPs of XML: what they unpack to was checked when they were identified (``identity``); entities, the other way
to grow without end, are refused here before any XML parser sees them.
"""

from __future__ import annotations

import zipfile
from typing import Any

from ...context.token_estimate import estimate
from ..errors import MediaError
from ..mime_types import EXTENSIONS
from ..prompt_framing import framed, trim
from ..types import Facts, Note, Progress, Understood
from ..worker_client import Job, Result
from ..worker_main import Report
from .office_parts import cut_parts, passed_over, pictures


def probe(job: Job, report: Report) -> Result:
    """Whether every part of it can be unpacked; Office files have no page count of their own."""
    check(job)
    return Result(facts=Facts(codec=_ending(job)))


def understand(job: Job, report: Report) -> Result:
    check(job)
    report(Progress("read", None, _ending(job)))
    content = _converted(job)
    if not content.strip():
        raise MediaError("MEDIA_EMPTY")
    if more := passed_over(job.path, content):
        content += "\n\n## Beside the text\n" + "\n".join(more)
    notes = [Note("office")]
    if large := cut_parts(job.path):
        names = ", ".join(large)
        content += f"\n[comments, notes and shapes were looked for in the first 5 MB only of {names}]"
        notes.append(Note("parts_cut", {"names": names}))
    kept, left_out = trim(content, job.sight.tokens)
    if left_out:
        notes.append(Note("trimmed", {"shown": len(kept), "total": len(content)}))
        kept += f"\n[cut here for length: {left_out} of {len(content)} characters more]"
    count = pictures(job.path)
    about = "The text of an Office document as Markdown; its layout is not shown" + (
        f", nor are its {count} pictures." if count else "."
    )
    block = framed(job, kept, about, truncated=bool(left_out))
    return Result(understood=Understood((block,), tuple(notes), estimate(block.text), Facts(codec=_ending(job))))


def _ending(job: Job) -> str:
    return next(ending for ending, mime in EXTENSIONS.items() if mime == job.mime_type)


def check(job: Job) -> None:
    """Read the document's XML once. Raises ``MEDIA_ENCRYPTED``, ``MEDIA_BOMB``, ``MEDIA_CORRUPT``."""
    try:
        with zipfile.ZipFile(job.path) as archive:
            for entry in archive.infolist():
                if entry.flag_bits & 1:
                    raise MediaError("MEDIA_ENCRYPTED")
                if entry.filename.endswith((".xml", ".rels", ".xhtml", ".opf", ".ncx")):
                    _no_entities(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError):
        raise MediaError("MEDIA_CORRUPT") from None


def _no_entities(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raises ``MEDIA_BOMB`` (``xml``) for a part that declares entities, and for one that lies about its size."""
    read, before = 0, b""
    with archive.open(entry) as part:
        while piece := part.read(65_536):
            read += len(piece)
            if b"<!ENTITY" in before[-8:] + piece:
                raise MediaError("MEDIA_BOMB", variant="xml")
            if read > max(entry.file_size, 1):
                raise MediaError("MEDIA_BOMB", size=entry.compress_size, unpacked=read)
            before = piece


def _converted(job: Job) -> str:
    try:
        from markitdown import MarkItDown, MarkItDownException, StreamInfo
    except ImportError:
        raise MediaError("MEDIA_NEEDS", type=_ending(job), extra="office", instead="PDF, TXT") from None
    converter: Any = MarkItDown(enable_plugins=False)
    try:
        with open(job.path, "rb") as file:
            info = StreamInfo(extension=f".{_ending(job)}", mimetype=job.mime_type)
            return str(converter.convert_stream(file, stream_info=info).text_content)
    except MarkItDownException:
        if plain := "\n".join(passed_over(job.path, "")):  # one part is not as it should be: the others can be read
            return plain
        raise MediaError("MEDIA_CORRUPT") from None

"""The types that are read, their kinds, and what file names end with."""

from __future__ import annotations

import unicodedata

from .types import Kind

_TEXT = {
    "text/plain": "txt text log out err ini cfg conf env properties rst tex bib srt vtt lock",
    "text/markdown": "md markdown mdx qmd rmd",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv tab",
    "application/json": "json geojson webmanifest",
    "application/jsonl": "jsonl ndjson",
    "text/html": "html htm xhtml",
    "text/css": "css scss less",
    "text/xml": "xml xsd xsl rss atom gpx kml plist",
    "image/svg+xml": "svg",
    "text/yaml": "yaml yml",
    "text/toml": "toml",
    "text/x-python": "py pyi pyw",
    "text/javascript": "js mjs cjs jsx",
    "text/typescript": "ts tsx mts cts",
    "text/x-r": "r",
    "text/x-sql": "sql",
    "text/x-sh": "sh bash zsh fish ps1 bat",
    "text/x-c": "c h cc cpp hpp cxx cu m mm",
    "text/x-java": "java kt kts scala groovy",
    "text/x-go": "go",
    "text/x-rust": "rs",
    "text/x-ruby": "rb php pl lua jl swift cs fs dart ex exs erl hs clj ml vue svelte",
    "text/x-diff": "diff patch",
    "text/calendar": "ics vcf",
    "message/rfc822": "eml",
    "text/rtf": "rtf",
}
_OTHER: dict[Kind, dict[str, str]] = {
    "notebook": {"application/x-ipynb+json": "ipynb"},
    "image": {
        "image/png": "png apng",
        "image/jpeg": "jpg jpeg jpe jfif",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/tiff": "tif tiff",
        "image/bmp": "bmp dib",
        "image/heic": "heic heif",
        "image/avif": "avif",
    },
    "audio": {
        "audio/mpeg": "mp3 mp2",
        "audio/wav": "wav wave",
        "audio/mp4": "m4a m4b",
        "audio/aac": "aac",
        "audio/flac": "flac",
        "audio/ogg": "ogg oga opus",
        "audio/aiff": "aiff aif",
        "audio/webm": "weba",
        "audio/amr": "amr",
    },
    "video": {
        "video/mp4": "mp4 m4v",
        "video/quicktime": "mov qt",
        "video/webm": "webm mkv",
        "video/x-msvideo": "avi",
        "video/ogg": "ogv",
    },
    "document": {
        "application/pdf": "pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx docm dotx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx xlsm xltx xltm",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx pptm ppsx",
        "application/epub+zip": "epub",
        "application/vnd.apache.parquet": "parquet",
    },
}

TEXT_TYPES = frozenset(_TEXT)
"""Types whose bytes are text to read as it is."""
EXTENSIONS: dict[str, str] = {
    ending: mime for table in (_TEXT, *_OTHER.values()) for mime, endings in table.items() for ending in endings.split()
}
"""File name extension (lower case, no dot) → the type it promises. ``hwp``, ``zip`` and the like promise nothing that
is read."""
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_TEXT, "text"),
    **{mime: kind for kind, table in _OTHER.items() for mime in table},
}
ACCEPT: tuple[str, ...] = tuple(sorted(f".{ending}" for ending in EXTENSIONS))
"""For a file chooser, as ``media.limits`` tells it."""


def kind_of(mime_type: str) -> Kind | None:
    """The kind of a type, ``None`` when nothing here reads it."""
    return _KINDS.get(mime_type)


def extension(name: str) -> str:
    """The extension of ``name``, in lower case and without the dot; empty where there is no dot."""
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem else ""


def clean_name(name: str) -> str:
    """A file name as it is stored and shown: NFC (macOS sends NFD), no folders, no control or direction characters,
    at most 200 characters with its ending kept. Empty becomes ``file``."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")).strip(" .")
    if len(name) > 200:
        ending = extension(name)[:20]
        name = name[: 199 - len(ending)] + "." + ending if ending else name[:200]
    return name or "file"

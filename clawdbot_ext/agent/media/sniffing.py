"""File type detection by a file's bytes: the first 64 KB, its end, and the table of contents of a ZIP.

The claimed type and the file's name are never trusted; they only choose between kinds of text, which look alike, and a
claim that is wrong becomes a note. No decoder is involved: whether the file is whole is found out by ``probe``.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from ...text_decoding import is_text
from .errors import MediaError
from .mime_types import EXTENSIONS, TEXT_TYPES, extension, kind_of
from .types import Identified, Kind, Note

HEAD = 65_536
TAIL = 4096
MAX_ZIP_ENTRIES = 20_000
MAX_ZIP_RATIO = 200
"""Greatest compression ratio of an Office file. Real ones stay under 50; deflate reaches 1,000."""
MAX_ZIP_BYTES = 512_000_000
MAX_OLE = 50_000_000
"""Bytes in which the mark of an encrypted Office file is looked for."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"HWP Document File", "application/x-hwp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"(\xb5/\xfd", "application/zstd"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
"""First bytes of a file → its type. The first match counts, so a file that is two things at once is the one that it
begins as, and what is sent of it is made anew from that reading."""

_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_HEIF = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_ARCHIVES = {
    "application/zip",
    "application/gzip",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-bzip2",
    "application/x-xz",
    "application/zstd",
    "application/x-tar",
}
_OFFICE = {
    ".wordprocessingml.": EXTENSIONS["docx"],
    ".ms-word.": EXTENSIONS["docx"],
    ".spreadsheetml.": EXTENSIONS["xlsx"],
    ".ms-excel.sheet.macroenabled.": EXTENSIONS["xlsx"],
    ".ms-excel.template.macroenabled.": EXTENSIONS["xlsx"],
    ".ms-excel.sheet.binary.": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    ".presentationml.": EXTENSIONS["pptx"],
    ".ms-powerpoint.": EXTENSIONS["pptx"],
}
"""Part of the content type of an Office file's main part → its type: its parts may lie in any folder."""
_CONTAINER = "META-INF/container.xml"
_CONTENTS = "[Content_Types].xml"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_MAIN_PART = re.compile(r'ContentType="([^"]{1,200}\.main(?:\+xml)?)"', re.IGNORECASE)
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""In the directory of the OLE file that an Office file with a password is."""


def identify_file(path: Path, name: str, claimed: str | None) -> Identified:
    """See ``api.identify``. Reads at most 70 KB, and a ZIP's table of contents. Raises ``MediaError``, ``OSError``."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
        file.seek(_behind_tag(head))
        sound = file.read(16)
    if not head:
        raise MediaError("MEDIA_EMPTY", name=name)
    mime = sniff(head)
    if mime == "audio/mpeg" and head.startswith(b"ID3"):  # a tag, which stands before other sound than MP3 too
        mime = sniff(sound) if sniff(sound) in ("audio/aac", "audio/flac", "audio/wav", "audio/ogg") else mime
    if mime == "video/mp4" and EXTENSIONS.get(extension(name)) == "audio/mp4":
        mime = "audio/mp4"  # the first box of many recordings has the brand of all MP4s
    if mime == "application/zip":
        mime = _inside_zip(path, name, size)
    if mime == "application/x-ole-storage" and _is_encrypted(path):
        raise MediaError("MEDIA_ENCRYPTED", name=name)
    if mime is None:
        mime = _text_type(head, tail, size, name, claimed)
    kind = kind_of(mime) if mime is not None else None
    if mime is None or kind is None:
        raise refusal(mime, name)
    return Identified(kind, mime, _mismatch(mime, kind, name, claimed))


def _behind_tag(head: bytes) -> int:
    """Offset of the sound behind an ID3v2 tag, 0 without one. The tag's length has seven bits a byte."""
    if not head.startswith(b"ID3") or len(head) < 10 or max(head[6:10]) > 127:
        return 0
    length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return length + (20 if head[5] & 0x10 else 10)


def sniff(head: bytes) -> str | None:
    """The type that the first bytes show; ``None`` for text and for what is not known."""
    for signature, mime in _SIGNATURES:
        if head.startswith(signature) and not (signature in (b"BM", b"MZ", b"BZh", b"ID3") and is_text(head)):
            return mime
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free") and not is_text(head[:16]):
        return _iso_media(head)
    if head[:4] == b"\x1aE\xdf\xa3":  # Matroska: a codec id begins with V_ for a picture
        return "video/webm" if b"V_" in head else "audio/webm"
    if head[:4] == b"OggS":
        return "video/ogg" if b"theora" in head[:512] else "audio/ogg"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if len(head) > 1 and head[0] == 0xFF and head[1] in (0xF1, 0xF9):
        return "audio/aac"
    if len(head) > 1 and head[0] == 0xFF and head[1] in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3):
        return "audio/mpeg"
    if head[257:262] == b"ustar":
        return "application/x-tar"
    if b"%PDF-" in head[:1024]:  # readers allow some bytes in front of it, and scanners put some there
        return "application/pdf"
    return None


def _iso_media(head: bytes) -> str:
    """MP4 and its family, by the brands of its first box."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
    if brand in _HEIF:
        compatible = head[16 : max(16, int.from_bytes(head[:4], "big"))][:256]
        return "image/avif" if b"avif" in compatible else "image/heic"
    if brand in (b"avif", b"avis"):
        return "image/avif"
    if brand in (b"M4A ", b"M4B ", b"F4A "):
        return "audio/mp4"
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def _is_encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        return _ENCRYPTED in file.read(MAX_OLE)


def _inside_zip(path: Path, name: str, size: int) -> str | None:
    """The type of document that a ZIP is, by its table of contents alone; nothing is unpacked.

    Raises:
        MediaError: ``MEDIA_TRUNCATED`` without a table of contents, ``MEDIA_BOMB`` when it promises far too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            declared = archive.read("mimetype") if _small(archive, "mimetype", 200) else b""
            contents = archive.read(_CONTENTS) if _small(archive, _CONTENTS, 2_000_000) else b""
            container = archive.read(_CONTAINER) if _small(archive, _CONTAINER, 100_000) else b""
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        raise MediaError("MEDIA_TRUNCATED", name=name) from None
    mains = " ".join(_MAIN_PART.findall(contents.decode("utf-8", "replace"))).lower()
    kind = next((mime for part, mime in _OFFICE.items() if part in mains), None)
    text = declared.strip().decode("ascii", "replace")
    kind = kind or {"application/hwp+zip": "application/x-hwp"}.get(text)
    kind = kind or (text if text == "application/epub+zip" or text.startswith(_OPEN_DOCUMENT) else None)
    if not kind and b"application/oebps-package+xml" in container:  # a book packed again, without its first part
        kind = "application/epub+zip"
    unpacked = sum(entry.file_size for entry in entries)
    if kind and (len(entries) > MAX_ZIP_ENTRIES or unpacked > min(MAX_ZIP_BYTES, max(size, 10_000) * MAX_ZIP_RATIO)):
        raise MediaError("MEDIA_BOMB", name=name, size=size, unpacked=unpacked)
    return kind or "application/zip"


def _small(archive: zipfile.ZipFile, name: str, most: int) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size <= most


def _text_type(head: bytes, tail: bytes, size: int, name: str, claimed: str | None) -> str | None:
    """The kind of text, by its name and claimed type; ``None`` when it is no text."""
    if not is_text(head):
        return None
    ending = extension(name)
    known = EXTENSIONS.get(ending)
    ends = (head + tail).replace(b"\0", b"")  # UTF-16 has one in every character of JSON's own
    if ends.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1] == b"{" and (
        ending == "ipynb" or (re.search(rb'"nbformat"\s*:\s*\d', ends) and b'"cells"' in ends)
    ):
        return "application/x-ipynb+json"
    if known in TEXT_TYPES and known != "application/x-ipynb+json":
        return known
    return claimed if claimed in TEXT_TYPES else "text/plain"


def _mismatch(mime: str, kind: Kind, name: str, claimed: str | None) -> tuple[Note, ...]:
    """A note when the name's ending, or else the claimed type, says something else than the bytes."""
    if kind in ("text", "notebook"):
        by_name = EXTENSIONS.get(extension(name))
        wrong = by_name is not None and kind_of(by_name) not in ("text", "notebook")
        return (Note("type_mismatch", {"claimed": f".{extension(name)}", "actual": mime}),) if wrong else ()
    by_name = EXTENSIONS.get(extension(name))
    if by_name is not None and not _same(by_name, mime):
        return (Note("type_mismatch", {"claimed": f".{extension(name)}", "actual": mime}),)
    if by_name is None and claimed and claimed != "application/octet-stream" and not _same(claimed, mime):
        return (Note("type_mismatch", {"claimed": claimed, "actual": mime}),)
    return ()


def _same(one: str, other: str) -> bool:
    """Do two types name one format? Audio and video share containers, and many types have several names."""

    def plain(mime: str) -> str:
        name = mime.split(";", maxsplit=1)[0].strip().lower().partition("/")[2].removeprefix("x-")
        return {
            "m4a": "mp4",
            "quicktime": "mp4",
            "mp3": "mpeg",
            "wave": "wav",
            "vnd.wave": "wav",
            "jpg": "jpeg",
            "heif": "heic",
            "matroska": "webm",
            "pjpeg": "jpeg",
            "m4v": "mp4",
            "aif": "aiff",
            "opus": "ogg",
            "ms-bmp": "bmp",
        }.get(name, name)

    return plain(one) == plain(other)


def refusal(mime: str | None, name: str) -> MediaError:
    """The message for a kind that nothing here reads, with what its owner can do instead."""
    ending = extension(name)
    shown = mime or (f".{ending}" if ending else "?")
    if mime == "application/x-hwp" or ending in ("hwp", "hwpx"):
        variant = "hwp"
    elif mime in _ARCHIVES:
        variant = "archive"
    elif mime == "application/x-ole-storage":
        variant = "legacy"
    elif mime is not None and (mime.startswith(_OPEN_DOCUMENT) or mime == _OFFICE[".ms-excel.sheet.binary."]):
        variant = "other_office"
    elif mime in ("application/x-msdownload", "application/x-executable"):
        variant = "program"
    else:
        variant = ""
    return MediaError("MEDIA_UNSUPPORTED", variant=variant, name=name, type=shown)

"""The content that a disk is sure to have at any moment of a program's life, by the system calls that it made.

``strace`` writes down every call that changes a file. ``Disk`` plays them into a model in which a write is durable only
once the file was synced, and a name (new, renamed, removed) only once its folder was. ``image`` gives what a power cut
leaves then: all that is not surely there is gone. That is harsher than any real file system and exactly what POSIX
promises; what passes here depends on no mount option. ``image(dice)`` keeps, of the writes since, some and not others.
"""

from __future__ import annotations

import posixpath
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .server import GatewayProcess

CALLS = (
    "openat,open,creat,write,pwrite64,pwritev,writev,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "mkdir,mkdirat,rmdir,fsync,fdatasync,sendto,sendmsg,sendfile,copy_file_range"
)
_LINE = re.compile(r"(\d+)\s+(.*)")
_UNFINISHED = re.compile(r"(.*)\s+<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(?:\.\.\.)?')
_DESCRIPTOR = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")


class TracedGateway(GatewayProcess):
    """A gateway whose system calls are written to ``trace``."""

    @property
    def trace(self) -> Path:
        return self.state.with_name("trace")

    def spawn(self) -> None:
        command = ["strace", "-D", "-f", "-y", "-xx", "-s", "4000000", "-e", f"trace={CALLS}", "-o", str(self.trace)]
        arguments = [*self.program, f"--port={self.port}", "--no-browser", *self.arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, sys.executable, *arguments],
                cwd=self.state,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )


@dataclass
class _File:
    """One file: what programs see of it, what is sure to be on the disk, and the writes between the two."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    since: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, at: int, data: bytes) -> None:
        self.content[len(self.content) :] = bytes(max(0, at - len(self.content)))
        self.content[at : at + len(data)] = data
        self.since.append((at, data))

    def truncate(self, size: int) -> None:
        del self.content[size:]
        self.content += bytes(size - len(self.content))
        self.since.append((size, b""))

    def sync(self) -> None:
        self.durable, self.since = bytes(self.content), []

    def after_a_cut(self, dice: random.Random | None) -> bytes:
        """The rest of it; with ``dice``, a part of the writes since the last sync as well, in no order."""
        left = _File(bytearray(self.durable))
        for at, data in self.since if dice is not None else ():
            if data and dice is not None and dice.random() < 0.5:
                left.write(at, data)
        return bytes(left.content)


class Disk:
    """The folder ``root`` and all in it."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._files: dict[str, _File] = {}
        """By path, as programs see it."""
        self._folders = {self._root}
        self._durable: dict[str, dict[str, _File | None]] = {self._root: {}}
        """Names in each folder that are sure to be there; ``None`` stands for a folder."""
        self._at: dict[str, int] = {}
        """Positions of the descriptors that ``write`` appends by, by process and number."""
        self.synced = 0
        """Syncs of files and folders so far."""

    def _ours(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + "/")

    def apply(self, name: str, arguments: str, result: int) -> None:
        """Play one call that has returned."""
        if result < 0:
            return
        paths = [_text(found) for found in _STRING.findall(arguments)]
        held = _DESCRIPTOR.match(arguments)
        inside = _path(held[1]) if held else ""
        if name in ("openat", "open", "creat"):
            self._open(posixpath.join(inside, paths[0].decode()), arguments, result)
        elif name in ("rename", "renameat", "renameat2", "link", "linkat"):
            self._rename(*(path.decode() for path in paths[:2]), keep=name.startswith("link"))
        elif name in ("unlink", "unlinkat", "rmdir"):
            self._files.pop(posixpath.join(inside, paths[0].decode()), None)
        elif name in ("mkdir", "mkdirat"):
            path = posixpath.join(inside, paths[0].decode())
            if self._ours(path):
                self._folders.add(path)
        elif self._ours(inside):
            self._change(name, inside, arguments, paths, result)

    def _open(self, path: str, arguments: str, result: int) -> None:
        if self._ours(path) and "O_DIRECTORY" not in arguments and path not in self._folders:
            if "O_CREAT" in arguments:
                self._files.setdefault(path, _File())
            if path in self._files and "O_TRUNC" in arguments:
                self._files[path].truncate(0)
            self._at[f"{result}<{path}>"] = len(self._files[path].content) if "O_APPEND" in arguments else 0

    def _rename(self, old: str, new: str, *, keep: bool) -> None:
        if self._ours(old) and old in self._files:
            self._files[new] = self._files[old]
            if not keep:
                del self._files[old]

    def _change(self, name: str, path: str, arguments: str, data: list[bytes], result: int) -> None:
        if name in ("fsync", "fdatasync"):
            self.synced += 1
            if path in self._folders:
                self._sync_folder(path)
            elif path in self._files:
                self._files[path].sync()
            return
        file = self._files.get(path)
        if file is None:  # removed, and written to by the one who has it open still
            return
        if name == "ftruncate":
            file.truncate(int(arguments.rsplit(",", 1)[1]))
        elif name == "pwrite64":
            file.write(int(arguments.rsplit(",", 1)[1]), data[0][:result])
        elif name == "write":
            number = arguments.partition("<")[0]
            at = self._at.get(f"{number}<{path}>", len(file.content))
            file.write(at, data[0][:result])
            self._at[f"{number}<{path}>"] = at + result
        else:
            raise AssertionError(f"a call that this model does not know: {name} on {path}")

    def _sync_folder(self, path: str) -> None:
        names: dict[str, _File | None] = {
            posixpath.basename(each): file for each, file in self._files.items() if posixpath.dirname(each) == path
        }
        names |= {posixpath.basename(each): None for each in self._folders if posixpath.dirname(each) == path}
        self._durable[path] = names

    def image(self, dice: random.Random | None = None) -> Mapping[str, bytes]:
        """The rest that a power cut leaves now: the content of each file, by its path in the root."""
        found: dict[str, bytes] = {}

        def walk(folder: str) -> None:
            for name, file in self._durable.get(folder, {}).items():
                path = posixpath.join(folder, name)
                if file is None:
                    walk(path)
                else:
                    found[posixpath.relpath(path, self._root)] = file.after_a_cut(dice)

        walk(self._root)
        return found


def calls(trace: Path) -> Iterator[tuple[str, str, int | None]]:
    """Name, arguments and result of each call, in order; ``None``: one to a socket that has begun, not returned."""
    begun: dict[str, str] = {}
    with trace.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            process, text = found.groups()
            if unfinished := _UNFINISHED.match(text):
                begun[process] = unfinished[1]
                name, _, arguments = unfinished[1].partition("(")
                yield name, arguments, None
                continue
            if resumed := _RESUMED.match(text):
                text = begun.pop(process, "") + resumed[2]
            if call := _CALL.match(text):
                yield call[1], call[2], int(call[3])


def sent(arguments: str) -> bytes:
    """The data of a call."""
    return b"".join(map(_text, _STRING.findall(arguments)))


def _text(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _path(shown: str) -> str:
    r"""A descriptor's path as ``strace -y -xx`` shows it: some versions escape it, too."""
    return _text(shown).decode() if shown.startswith("\\x") else shown

"""On what kind of file system a directory lies: locks and shared memory do not work on all of them."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "orangefs",
        "pvfs2",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.gcsfuse",
        "fuse.blobfuse2",
    }
)
"""Names of the kernel's and of user-space file systems that other machines may write to at the same time."""


def kind_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The file system's name as the kernel has it (``ext4``, ``nfs4`` …); ``None`` where there is no way to know
    (macOS). ``path`` need not exist yet."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    wanted = Path(os.path.realpath(path))
    best, found = -1, None
    for line in lines:  # later lines are mounted over earlier ones
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode("latin-1", "replace").decode("unicode_escape"))  # \040 is a blank
        if (wanted == point or point in wanted.parents) and len(point.parts) >= best:
            best, found = len(point.parts), rest.split()[0]
    return found


def is_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """May other machines write here too?"""
    return kind_of(path, mounts) in NETWORK

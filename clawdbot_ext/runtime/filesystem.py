"""The kind of file system of a directory: locks and shared memory do not work on all of them."""

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
    """Return the file system's name in the kernel (``ext4``, ``nfs4`` …); ``None`` where it cannot be determined
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
    """Return whether other machines may write to ``path`` as well."""
    return kind_of(path, mounts) in NETWORK

"""Which file systems are allowed, and what is said about the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenure.backends.file import filesystems
from tenure.errors import BackendRefused

MOUNTS = r"""21 1 254:0 / / rw - ext4 /dev/vda rw
22 21 0:22 / /mnt/net rw - nfs4 server:/x rw
23 21 0:23 / /mnt/net/local\040disk rw shared:1 - xfs /dev/vdb rw
24 21 0:24 / /run rw - tmpfs tmpfs rw
25 21 0:25 / /over rw - nfs server:/y rw
26 25 0:26 / /over rw - btrfs /dev/vdc rw
27 21 0:27 / /fuse rw - fuse.sshfs host: rw
28 21 0:28 / /odd rw - newfs x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/mnt/net", "nfs4"),
        ("/mnt/network", "ext4"),
        ("/mnt/net/local disk/e", "xfs"),
        ("/over/e", "btrfs"),
    ],
)
def test_the_longest_mount_point_decides_and_the_last_of_equal_ones(path: str, kind: str) -> None:
    """Names that only begin alike are no mount points, and octal escapes are read."""
    assert filesystems.mounted_as(path, MOUNTS) == kind


@pytest.mark.parametrize(
    ("path", "says"), [("/mnt/net/e", "nfs4"), ("/fuse/e", "fuse.sshfs"), ("/odd", "newfs"), ("/mnt/net", "local disk")]
)
def test_L30_file_systems_of_other_hosts_and_unknown_ones_are_refused(path: str, says: str) -> None:
    """The error names the kind and what to use instead."""
    with pytest.raises(BackendRefused, match=says):
        filesystems.footing(path, MOUNTS)


def test_a_volatile_one_is_allowed_with_a_lower_grade_and_a_warning() -> None:
    """Its tokens are lost at a restart, so it is grade C and says so."""
    found = filesystems.footing("/run/e", MOUNTS)

    assert found.grade == "C"
    assert "restarts" in found.warning


def test_a_local_disk_is_grade_b_and_silent() -> None:
    """There is nothing to warn of."""
    assert filesystems.footing("/var/lib/e", MOUNTS) == filesystems.Footing("ext4", "B")


def test_this_machine_is_judged_from_its_own_mounts(tmp_path: Path) -> None:
    """A directory that does not exist yet is judged by where it will be."""
    assert filesystems.footing(str(tmp_path / "not" / "yet")).grade in ("B", "C")

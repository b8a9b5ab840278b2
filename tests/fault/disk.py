"""A small disk of a test's own: a tmpfs where the user may mount one, else a limit on what the programs may write."""
import contextlib
import os
import pathlib
import resource
import shutil
import subprocess

from faults import limited


def mounted(*arguments):
    return subprocess.run(arguments, capture_output=True, check=False).returncode == 0


class SmallDisk:
    """`path` is a folder on it. Where mounting is not permitted (`real` is false) a full disk is a limit on the size of
    files, and a read-only one is a folder without the right to write: tests pass `limits` to the programs' start."""

    def __init__(self, folder, size_bytes):
        self.path = pathlib.Path(folder) / "disk"
        self.path.mkdir(parents=True)
        self.size_bytes = size_bytes
        self.real = os.geteuid() == 0 and mounted(
            "mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(self.path)
        )

    @property
    def limits(self):
        if self.real or self.size_bytes is None:
            return {}
        return limited(resource.RLIMIT_FSIZE, self.size_bytes)

    def make_room(self, size_bytes=1 << 30):
        if self.real:
            assert mounted("mount", "-o", f"remount,rw,size={size_bytes}", str(self.path))
        else:
            self.path.chmod(0o755)
        self.size_bytes = None

    def fill(self, left_bytes):
        """Leaves about so much room; where it is only a limit there is nothing to be filled."""
        if not self.real:
            return
        filler = self.path / "filler"
        filler.unlink(missing_ok=True)
        free = shutil.disk_usage(self.path).free
        filler.write_bytes(bytes(max(0, free - left_bytes)))

    def make_read_only(self):
        if self.real:
            assert mounted("mount", "-o", "remount,ro", str(self.path))
        else:
            assert os.geteuid() != 0, "root writes where it may not: this test needs a mount or an ordinary user"
            self.path.chmod(0o555)

    def end(self):
        if self.real:
            assert mounted("umount", str(self.path))


@contextlib.contextmanager
def small_disk(folder, size_bytes):
    disk = SmallDisk(folder, size_bytes)
    try:
        yield disk
    finally:
        disk.end()

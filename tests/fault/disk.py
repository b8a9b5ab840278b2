"""A small disk of a test's own: a tmpfs in a namespace of mounts that lives as long as a process which waits for us, so that
a run that is killed leaves nothing behind. It takes the right to mount, or a kernel that lets everybody have namespaces."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

# Who may not mount makes a namespace of users as well, in which it may: how, and what then has to be entered, in order.
WAYS = {("--mount",): ("mnt",), ("--user", "--map-root-user", "--mount"): ("user", "mnt")}
MOUNT = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && echo mounted && exec cat'
LIBC = ctypes.CDLL(None, use_errno=True)


class NoDisk(Exception):
    """What each way to have one was answered."""


class SmallDisk:
    """`path` is a folder on it for programs that are started with `popen`, `here` the same folder for everybody else."""

    def __init__(self, folder, size_bytes):
        self.path = pathlib.Path(folder)
        self.path.mkdir(parents=True)
        answers = []
        for way, kinds in WAYS.items():
            command = ["unshare", *way]
            self.holder = subprocess.Popen(
                [*command, "sh", "-c", MOUNT, str(size_bytes), self.path],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            if self.holder.stdout.readline():
                break
            answers.append(f"{' '.join(command)}: {self.holder.communicate()[1].decode().strip()}")
        else:
            raise NoDisk("; ".join(answers))
        self.here = pathlib.Path(f"/proc/{self.holder.pid}/root{self.path}")
        self.namespaces = [os.open(f"/proc/{self.holder.pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
        self.popen = {"preexec_fn": self.enter}

    def enter(self):
        """In a process that is about to become a program. The namespace has a working directory of its own."""
        folder = os.getcwd()
        for namespace in self.namespaces:
            if LIBC.setns(namespace, 0):
                raise OSError(ctypes.get_errno(), "setns")
        os.chdir(folder)

    def remount(self, options):
        # With what is mounted there by name, so that mount adds no options of before: a user's number there is another one here.
        subprocess.run(["mount", "-o", f"remount,{options}", "tmpfs", self.path], check=True, **self.popen)

    def make_room(self):
        self.remount(f"rw,size={1 << 30}")

    def make_read_only(self):
        self.remount("ro")

    def fill(self, left_bytes=0):
        """Leaves about so much room."""
        filler = self.here / "filler"
        filler.unlink(missing_ok=True)
        filler.write_bytes(bytes(max(0, shutil.disk_usage(self.here).free - left_bytes)))

    def end(self):
        """The disk is gone with the last process that sees it."""
        for namespace in self.namespaces:
            os.close(namespace)
        self.holder.communicate()


class Folder:
    """A folder that can be made one that may not be written to, with all that is in it: by anybody but root."""

    def __init__(self, folder):
        self.path = self.here = pathlib.Path(folder)
        self.path.mkdir(parents=True)
        self.popen = {}

    def set_writable(self, writable):
        for each in (self.path, *self.path.rglob("*")):
            mode = each.stat().st_mode
            each.chmod(mode | stat.S_IWUSR if writable else mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))

    def make_room(self):
        self.set_writable(True)

    def make_read_only(self):
        self.set_writable(False)

    def end(self):
        self.make_room()


@contextlib.contextmanager
def seen_by(setup, place):
    """The programs that this setup starts see it."""
    setup.popen = place.popen
    try:
        yield place
    finally:
        setup.popen = {}
        place.end()


def small_disk(setup, size_bytes, name="disk"):
    try:
        return seen_by(setup, SmallDisk(setup.folder / name, size_bytes))
    except NoDisk as missing:
        pytest.skip(f"a small disk takes the right to mount (CAP_SYS_ADMIN) or namespaces for everybody: {missing}")


def read_only_place(setup):
    """Whoever has no disk and is not root, who writes everywhere, takes a folder."""
    try:
        return seen_by(setup, SmallDisk(setup.folder / "disk", 64 << 20))
    except NoDisk as missing:
        if os.geteuid() == 0:
            pytest.skip(f"what root may not write to takes CAP_SYS_ADMIN or namespaces for everybody: {missing}")
        return seen_by(setup, Folder(setup.folder / "folder"))

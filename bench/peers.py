"""The peers: made ready where this machine can, else left out by name and with the reason."""
import pathlib
import re
import shutil
import subprocess

from loaders import GoJob

HERE = pathlib.Path(__file__).resolve().parent / "peers"


class Unavailable(Exception):
    """Why a peer cannot be had here."""


def go_version(text):
    return tuple(map(int, re.search(r"go ?(\d+)\.(\d+)", text).groups()))


def build_go(name, folder):
    """The program of peers/NAME, built by the `go` on PATH."""
    source = HERE / name
    go = shutil.which("go")
    if not go:
        raise Unavailable("there is no go on PATH (Debian 12's is too old: see go.dev/dl)")
    wanted = go_version((source / "go.mod").read_text())
    had = go_version(subprocess.run([go, "env", "GOVERSION"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    if had < wanted:
        raise Unavailable(f"go {had[0]}.{had[1]} is too old, go.mod wants {wanted[0]}.{wanted[1]}")
    program = folder / name
    built = subprocess.run([go, "build", "-o", program, "."], cwd=source, stderr=subprocess.PIPE, text=True)
    if built.returncode:
        raise Unavailable("go build failed: " + (built.stderr.strip().splitlines() or ["?"])[-1])
    return program


class Peers:
    """Those who were asked for and could be made ready; `left_out` says why the others are not there."""

    NAMES = ("go", "go-64", "copy", "spark")

    def __init__(self, wanted, folder):
        self.wanted, self.folder, self.left_out, self.ready = wanted, folder, {}, {}
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.NAMES:
            if name not in wanted:
                self.left_out[name] = "not asked for"
                continue
            try:
                self.ready[name] = getattr(self, "make_" + name.replace("-", "_"))()
            except Unavailable as why:
                self.left_out[name] = str(why)

    def make_go(self):
        return build_go("rowbyrow-go", self.folder)

    make_go_64 = make_go

    def loaders(self, world, catalogue):
        made = []
        for name, thing in self.ready.items():
            if name == "go":
                made.append((name, GoJob(world, catalogue, thing)))
            elif name == "go-64":
                made.append((name, GoJob(world, catalogue, thing, 64)))
        return made

    def make_copy(self):
        raise Unavailable("not built yet")

    make_spark = make_copy

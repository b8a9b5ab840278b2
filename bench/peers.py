"""The peers: made ready where this machine can, else left out by name and with the reason."""
import csv
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from rounds import progress

HERE = pathlib.Path(__file__).resolve().parent / "peers"
INSTALL_TIMEOUT_S = 1200


class Unavailable(Exception):
    """Why a peer cannot be had here."""


def command(words, what, **more):
    """Runs a step of an installation; its failure leaves the peer out."""
    try:
        done = subprocess.run(
            [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=INSTALL_TIMEOUT_S, **more,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or done.stdout.splitlines() or ["?"]
        raise Unavailable(f"{what} failed: {lines[-1].strip()[:300]}")
    return done.stdout


def cached(kind, recipe):
    """The folder in the user's cache for what a recipe file makes, and whether it is there; the recipe's hash is in its
    name, so that a changed version makes a new one."""
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "dataflow" / "bench"
    key = hashlib.sha256(recipe.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = base / f"{kind}-{key}"
    return folder, (folder / "complete").exists()


def python_packages(name):
    """An environment with the packages of peers/NAME/requirements.txt; its bin folder."""
    requirements = HERE / name / "requirements.txt"
    folder, there = cached(name, requirements)
    if not there:
        progress(f"installing {requirements.relative_to(HERE.parent.parent)} into {folder}")
        command([sys.executable, "-m", "venv", "--clear", folder], "python -m venv")
        command([folder / "bin/python", "-m", "pip", "install", "--no-input", "-r", requirements], "pip install")
        (folder / "complete").touch()
    return folder / "bin"


def jars(name):
    """The folder with the jars of peers/NAME/pom.xml."""
    pom = HERE / name / "pom.xml"
    folder, there = cached(name + "-jars", pom)
    if not there:
        if not shutil.which("mvn"):
            raise Unavailable("there is no mvn on PATH (scripts/install.sh test)")
        progress(f"fetching the jars of {pom.relative_to(HERE.parent.parent)} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        command(
            ["mvn", "-B", "-ntp", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={folder}"], "mvn",
        )
        (folder / "complete").touch()
    return folder


def go_version(text):
    return tuple(map(int, re.search(r"go ?(\d+)\.(\d+)", text).groups()))


def build_go(name, folder):
    """The program of peers/NAME, built by the `go` on PATH."""
    source = HERE / name
    go = shutil.which("go")
    if not go:
        raise Unavailable("there is no go on PATH (Debian 12's is too old: see go.dev/dl)")
    wanted = go_version((source / "go.mod").read_text())
    had = go_version(command([go, "env", "GOVERSION"], "go env", cwd=source))
    if had < wanted:
        raise Unavailable(f"go {had[0]}.{had[1]} is too old, go.mod wants {wanted[0]}.{wanted[1]}")
    program = folder / name
    command([go, "build", "-o", program, "."], "go build", cwd=source)
    return program


def java_home():
    """Spark 3.5 runs on Java 17."""
    for home in pathlib.Path("/usr/lib/jvm").glob("java-17-openjdk-*"):
        if (home / "bin/java").exists():
            return home
    raise Unavailable("there is no Java 17 (scripts/install.sh test)")


def write_csv(paths, target):
    """The catalogue as COPY reads it; not timed."""
    columns = ("id", "title", "price", "category", "brand", "url", "description")
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for path in paths:
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    product = json.loads(line)
                    writer.writerow([product[column] for column in columns])
    return target


class Peers:
    """Those who were asked for and could be made ready: `ready` has what each needs to run, `left_out` says why the
    others are not there."""

    # The loaders in the order of the table, and the service.

    NAMES = ("go", "go-64", "copy", "spark", "http-go")

    def __init__(self, wanted, folder):
        unknown = set(wanted) - set(self.NAMES) - {""}
        if unknown:
            raise SystemExit(f"scripts/bench.sh: error: no peer is called {', '.join(unknown)}; there are {', '.join(self.NAMES)}")
        self.folder, self.left_out, self.ready = folder, {}, {}
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.NAMES:
            if name not in wanted:
                continue
            try:
                self.ready[name] = getattr(self, "make_" + name.replace("-", "_"))()
            except Unavailable as why:
                self.left_out[name] = str(why)
                progress(f"left out: {name}: {why}")

    def make_go(self):
        return build_go("rowbyrow-go", self.folder)

    make_go_64 = make_go

    def make_http_go(self):
        return build_go("http-go", self.folder)

    def make_copy(self):
        return python_packages("copy") / "cqlsh"

    def make_spark(self):
        return python_packages("spark") / "python", jars("spark"), java_home()

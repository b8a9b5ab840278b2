"""What a process took: time, CPU, memory."""
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
RUN_TIMEOUT_S = 3600


class Wrong(Exception):
    """What was measured is not what was meant: the figure would be a wrong one."""


@dataclasses.dataclass
class Finished:
    """A command that has ended; the figures are of the command and the children it waited for."""

    wall_s: float
    user_s: float
    system_s: float
    peak_bytes: int
    code: int
    out: str
    err: str

    @property
    def cpu_s(self):
        return self.user_s + self.system_s


def run(launcher, command, environment, folder, stdin=subprocess.DEVNULL, code=0):
    """Runs the command to its end under bench_launch (see there why) and returns its figures."""
    command = [str(word) for word in command]
    with tempfile.TemporaryDirectory() as name:
        figures, out, err = (pathlib.Path(name) / part for part in ("figures", "out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            subprocess.run(
                [launcher, figures, *command], stdin=stdin, stdout=out_file, stderr=err_file, env=environment,
                cwd=folder, timeout=RUN_TIMEOUT_S, check=True,
            )
        finished = Finished(
            **json.loads(figures.read_text()), out=out.read_text(errors="replace"), err=err.read_text(errors="replace")
        )
    if code is not None and finished.code != code:
        raise Wrong(f"{command[0]} ended with {finished.code}, not {code}:\n{finished.out[-1000:]}\n{finished.err[-2000:]}")
    return finished


def cpu_s(pid):
    """CPU time of a running process, all its threads, user and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    # Behind the name: field 3 is the state; 14 and 15 are user and system time.
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def peak_bytes(pid):
    """The most memory a running process has had resident; none of one that has ended and was not waited for."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    if "State:\tZ" in status:
        return 0
    raise Wrong(f"process {pid} has no VmHWM")


def tree(pid):
    """The process and its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue  # it has ended meanwhile
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found

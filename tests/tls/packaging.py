"""Goal: the units of packaging/ are valid, give the programs next to nothing, and the programs work with what is left.

python3 tests/tls/packaging.py JOB MICROSERVICE   exit 1 and a line for each problem
--self-test                                       fails unless a unit without protection, and a system call too many, are found
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
UNITS = ("dataflow-job.service", "dataflow-microservice.service", "dataflow-job.timer")
# Of 10, as systemd-analyze counts it. What is left of it is the network, which the programs are for.
MOST_EXPOSURE = 1.5
WAIT_S = 60


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=WAIT_S)


def invalid(folder):
    """What systemd has to say against the units; their programs are where the copies say."""
    done = run("systemd-analyze", "verify", "--man=no", *(folder / unit for unit in UNITS))
    return [f"systemd-analyze verify: {line}" for line in done.stderr.splitlines() if "dataflow" in line]


def exposed(unit):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    print(f"{unit.name}: exposure {found[1]}")
    return [] if float(found[1]) <= MOST_EXPOSURE else [f"{unit.name}: exposure {found[1]}, more than {MOST_EXPOSURE}"]


def calls_of(name):
    """The system calls of a set as systemd knows it; sets contain sets."""
    calls = set()
    for line in run("systemd-analyze", "syscall-filter", "--no-pager", name).stdout.splitlines():
        word = line.strip()
        if line.startswith("    ") and not word.startswith("#"):
            calls |= calls_of(word) if word.startswith("@") else {word}
    return calls


def allowed_calls(unit):
    allowed = set()
    for rule in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.MULTILINE):
        sets = set().union(*(calls_of(name) for name in rule.lstrip("~").split()))
        allowed = allowed - sets if rule.startswith("~") else allowed | sets
    return allowed


def traced(trace):
    text = trace.read_text()
    calls = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", text, re.MULTILINE))
    assert len(calls) > 20, f"{trace} is no trace"
    return calls, bool(re.search(r"PROT_WRITE\|PROT_EXEC", text))


def wrong_calls(name, unit, trace):
    calls, executable = traced(trace)
    problems = [f"{name} makes the system call {call}, which {unit.name} refuses" for call in sorted(calls - allowed_calls(unit))]
    if executable:
        problems.append(f"{name} wants memory that is writable and executable, which {unit.name} refuses")
    print(f"{name}: {len(calls)} system calls, {len(problems)} refused")
    return problems


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_S} s"
        time.sleep(0.02)


def trace_job(job, folder, environment, trace, code, *arguments):
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", trace, job, *arguments], cwd=folder, env=environment, capture_output=True, timeout=WAIT_S
    )
    assert done.returncode == code, done.stderr


def trace_service(microservice, folder, environment, trace):
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", trace, microservice, "-listen", "127.0.0.1:0"], cwd=folder, env=environment, stdout=out, stderr=out
        )
    try:
        wait_for(lambda: "listening on" in log.read_text(), "the service listens")
        url = re.search(r"http://[0-9.:]+", log.read_text())[0]
        assert b'"t7"' in urllib.request.urlopen(f"{url}/product/7", timeout=WAIT_S).read()
    finally:
        # strace hands nothing on: the signal goes to the program.
        for child in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            subprocess.run(["kill", f"-{signal.SIGTERM.value}", child], check=True)
        process.wait(WAIT_S)


def traced_runs(job, microservice, folder):
    """Both programs under strace, with everything embedded, and on the servers that scripts/test.sh started; yields name, unit
    and trace."""
    (folder / "a.jsonl").write_text("".join(f'{{"id": {k}, "title": "t{k}"}}\n' for k in range(20_000)) + "rejected\n")
    more = ("-rejects", folder / "rejects.jsonl", "-report", folder / "report.json", "a.jsonl")
    embedded = {name: value for name, value in os.environ.items() if not name.startswith(("DATAFLOW_", "AWS_"))}
    keyspace = "packaging_" + uuid.uuid4().hex[:12]
    servers = {**os.environ, "DATAFLOW_CASSANDRA_KEYSPACE": keyspace, "DATAFLOW_REDIS_DB": "0"}
    assert "DATAFLOW_CASSANDRA_HOST" in servers and "DATAFLOW_REDIS_ADDR" in servers, "no servers: scripts/test.sh starts them"
    subprocess.run([job, "-provision"], env=servers, check=True, capture_output=True, timeout=WAIT_S)
    for where, environment in (("embedded", embedded), ("servers", servers)):
        traces = [folder / f"{where}-{program}.trace" for program in ("job", "service")]
        trace_job(job, folder, environment, traces[0], 1, *more)
        trace_service(microservice, folder, environment, traces[1])
        yield f"job, {where}", PACKAGING / UNITS[0], traces[0]
        yield f"microservice, {where}", PACKAGING / UNITS[1], traces[1]
    # A bucket that is not there: all that the client of S3 does but for the bytes.
    trace_job(job, folder, servers, folder / "s3.trace", 4, f"s3://{keyspace.replace('_', '-')}/")
    yield "job, S3", PACKAGING / UNITS[0], folder / "s3.trace"


def unmade(unit):
    """Folders without which the unit could not start, and which nothing makes before it."""
    text = unit.read_text()
    if "StateDirectory=dataflow" in text:
        return []
    return [f"{unit.name}: {line} has to begin with '-'" for line in re.findall(r"^(?:WorkingDirectory|ReadOnlyPaths)=/var/lib/.*$", text, re.MULTILINE)]


def proc_of(unit):
    """What mount(8) is told to make /proc what the unit says; nobody but root may mount one."""
    text = unit.read_text()
    names = {"ProcSubset": "subset", "ProtectProc": "hidepid"}
    found = re.findall(r"^(ProcSubset|ProtectProc)=(pid|invisible)$", text, re.MULTILINE)
    return ",".join(["rw", *(f"{names[name]}={value}" for name, value in found)])


def with_proc(options, *command):
    """The command in a namespace of its own, with another /proc."""
    return ["unshare", "--mount", "sh", "-c", f'mount -t proc -o {options} proc /proc && exec "$0" "$@"', *command]


def why_no_other_proc():
    """What the system says where that is not permitted."""
    tried = subprocess.run(with_proc("rw", "true"), capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


def forgets_when_killed(unit, job, folder):
    """Whether a job that is killed under the unit's /proc has the next one write everything again."""
    rows = 20_000
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(f'{{"id": {k}, "title": "t{k}"}}\n' for k in range(rows)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATAFLOW_", "AWS_"))}
    command = with_proc(proc_of(unit), job)
    log = folder / "log"
    with log.open("w") as err:  # standard input stays open: the job goes on until it is killed
        process = subprocess.Popen([*command, "a.jsonl", "-"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=err, stderr=err)
    try:
        wait_for(lambda: process.poll() is not None or f" {rows} written" in log.read_text(), "the job writes")
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait(WAIT_S)
    subprocess.run([*command, "-report", "report.json", "a.jsonl"], cwd=folder, env=environment, check=True, capture_output=True, timeout=WAIT_S)
    written = json.loads((folder / "report.json").read_text())["written"]
    print(f"{unit.name}: killed and run again, {written} of {rows} rows are written again")
    # The last block may have been in flight.
    return [f"{unit.name}: a killed job forgets what it has stored (the machine's boot_id is hidden)"] if written > rows / 2 else []


def check(job, microservice):
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for unit in UNITS:
            text = (PACKAGING / unit).read_text()
            (folder / unit).write_text(text.replace("/usr/bin/job", str(job)).replace("/usr/bin/microservice", str(microservice)))
        problems += invalid(folder)
        for unit in UNITS[:2]:
            problems += exposed(PACKAGING / unit) + unmade(PACKAGING / unit)
        refused = why_no_other_proc()
        if refused:
            print(f"not run: to show a job the /proc of its unit takes the right to mount: {refused}")
        else:
            problems += forgets_when_killed(PACKAGING / UNITS[0], job, folder / "killed")
        for traced_run in traced_runs(job, microservice, folder):
            problems += wrong_calls(*traced_run)
    return problems


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for unit in UNITS:
            (folder / unit).write_text((PACKAGING / unit).read_text().replace("/usr/bin/", "/no/such/"))
        if not invalid(folder):
            failures.append("a unit whose program is not there is valid")
        bare = folder / "bare.service"
        bare.write_text("[Service]\nExecStart=/bin/true\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged\n")
        if not exposed(bare):
            failures.append("a unit without protection passes")
        bare.write_text(bare.read_text() + "WorkingDirectory=/var/lib/dataflow\nReadOnlyPaths=/var/lib/dataflow\n")
        if len(unmade(bare)) != 2:
            failures.append("a unit whose folder nothing makes passes")
        trace = folder / "trace"
        trace.write_text("".join(f"1 {call}(0)\n" for call in sorted(calls_of("@file-system"))) + "1 reboot(1)\n1 chroot(0)\n1 mmap(0, PROT_WRITE|PROT_EXEC)\n")
        found = wrong_calls("planted", bare, trace)
        if len(found) != 3:
            failures.append(f"of reboot, chroot and executable memory only these are found: {found}")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    assert len(arguments) == 2, __doc__
    problems = check(*(pathlib.Path(program).resolve() for program in arguments))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

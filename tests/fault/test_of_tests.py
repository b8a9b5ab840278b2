"""Goal: a test of faults that has injected none fails, a run that is killed has said what replays it, and leaves no disk and no
address cut off behind."""
import contextlib
import os
import pathlib
import re
import subprocess
import sys

import cut_off
import harness
import pytest

HERE = pathlib.Path(__file__).parent
NOT_OURS = 78


def python(*arguments, **popen):
    """Another process of the tests: it is the one that is killed, or fails."""
    path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parent / "e2e", *filter(None, [os.environ.get("PYTHONPATH")]))))
    environment = {**os.environ, "PYTHONPATH": path, **popen.pop("env", {})}
    return subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True, **popen)


def run_tests(folder, text):
    """pytest with the fixtures of these tests over a file of its own, whose figures go to figures.txt."""
    (folder / "test_made.py").write_text(text)
    figures = folder / "figures.txt"
    arguments = ("-q", "-p", "no:cacheprovider", "-p", "conftest", "--rootdir", folder, "--basetemp", folder / "tmp", folder / "test_made.py")
    return python("-m", "pytest", *arguments, cwd=folder, env={"DATAFLOW_FIGURES": str(figures)}), figures


@pytest.mark.parametrize(
    "body, outcome",
    [
        ("figures.run(1)", "1 failed"),
        ("figures.fault()", "1 passed"),
        ("pytest.skip('not here')", "1 skipped"),
    ],
)
def test_nothing_is_shown_without_a_fault(tmp_path, body, outcome):
    process, _ = run_tests(tmp_path, f"import pytest\ndef test_made(figures):\n    {body}\n")
    said = process.communicate(timeout=harness.WAIT_S)[0]
    assert outcome in said, said


def test_load_without_faults_is_marked(tmp_path):
    process, _ = run_tests(tmp_path, "import pytest\n@pytest.mark.without_faults\ndef test_made(figures): figures.run(1)\n")
    assert "1 passed" in process.communicate(timeout=harness.WAIT_S)[0]


def test_a_run_that_is_killed_has_told_its_seed(tmp_path):
    process, figures = run_tests(tmp_path, "import pathlib, time\ndef test_made(rng):\n    pathlib.Path('begun').touch()\n    time.sleep(3600)\n")
    with killed_at_last(process):
        harness.wait_for((tmp_path / "begun").exists, "the test is under way")
    said = process.stdout.read()
    seed = re.search(r"DATAFLOW_FAULT_SEED=\d+ replays test_made.py\n", said)
    assert seed, said
    assert seed.group(0) == figures.read_text()


@contextlib.contextmanager
def killed_at_last(process):
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_a_disk_goes_with_its_test(tmp_path):
    process = python("-c", f"import disk, time\nmade = disk.SmallDisk({str(tmp_path / 'disk')!r}, 1 << 20)\nprint(made.holder.pid, flush=True)\ntime.sleep(3600)")
    with killed_at_last(process):
        holder = process.stdout.readline()
        if not holder:
            pytest.skip("there is no disk here: see test_disk.py")
        seen = pathlib.Path(f"/proc/{int(holder)}/mountinfo")
        assert f"{tmp_path}/disk" in seen.read_text()
        assert f"{tmp_path}/disk" not in pathlib.Path("/proc/self/mountinfo").read_text()
    harness.wait_for(lambda: gone(int(holder)), "who holds the disk has ended")


def gone(pid):
    """Ended; whether somebody has asked how is another matter."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def ways_taken():
    command = ["ip", "route", "show", "table", "local", "type", "blackhole"]
    return [line.split()[1] for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()]


def test_an_address_is_given_back_when_nobody_lives_who_has_cut_it_off():
    if not cut_off.possible():
        pytest.skip("to cut an address off takes CAP_NET_ADMIN and iproute2")
    ours, others = f"127.0.0.{cut_off.UNUSED}", f"127.0.0.{NOT_OURS}"
    process = python("-c", "import cut_off, time\nprint(cut_off.cut_off(cut_off.UNUSED), flush=True)\ntime.sleep(3600)")
    foreign = ["blackhole", others, "table", "local", "protocol", "222"]
    subprocess.run(["ip", "route", "del", *foreign], capture_output=True, check=False)
    subprocess.run(["ip", "route", "add", *foreign], check=True)
    try:
        with killed_at_last(process):
            assert process.stdout.readline() == "True\n"
            cut_off.give_back_of_the_dead()
            assert ours in ways_taken(), "it is a living one's"
        assert ours in ways_taken()
        cut_off.give_back_of_the_dead()
        assert ours not in ways_taken()
        assert others in ways_taken(), "it is not ours"
    finally:
        subprocess.run(["ip", "route", "del", *foreign], check=True)

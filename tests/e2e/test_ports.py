"""Goal: two sets of servers that are started at the same time do not choose the same ports."""
import os
import pathlib
import subprocess
import sys

PROBE = pathlib.Path(__file__).parent.parent.parent / "scripts" / "lib" / "probe.py"


def choose(folder, base, owner):
    """As scripts/servers.sh does; what is reserved stands in a folder of the test's own."""
    command = [sys.executable, PROBE, "port", str(base), str(owner.pid), "127.0.0.1"]
    done = subprocess.run(command, env={"TMPDIR": str(folder)}, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_port_is_chosen_once_until_its_server_listens(folder):
    base = 25_000 + os.getpid() % 5_000  # below the ports of clients
    owners = [subprocess.Popen(["sleep", "infinity"]) for _ in range(2)]
    try:
        chosen = [choose(folder, base, owner) for owner in (*owners, *owners)]
        assert len(set(chosen)) == 4 and min(chosen) == chosen[0], chosen
        owners[0].kill()
        owners[0].wait()
        assert choose(folder, base, owners[1]) == chosen[0], "who has ended has no server that will listen"
        (folder / f"dataflow-ports-{os.getuid()}.json").write_text('{"1')
        assert choose(folder, base, owners[1]) == chosen[0], "a file that is damaged holds nobody up"
    finally:
        for owner in owners:
            owner.kill()
            owner.wait()

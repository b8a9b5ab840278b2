"""A Cassandra of a test's own, started by scripts/servers.sh in a folder of its own, to be killed and paused."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess

import cut_off
import harness

SERVERS_SH = pathlib.Path(__file__).parent.parent.parent / "scripts" / "servers.sh"
START_S = 400


class OwnCassandra:
    """DATAFLOW_FAULT_NODES=folder: three nodes are kept there from one run of the tests to the next. To end them:
    DATAFLOW_SERVERS_DIR=folder scripts/servers.sh stop"""

    def __init__(self, folder, nodes=1):
        kept = os.environ.get("DATAFLOW_FAULT_NODES")
        self.kept = bool(kept) and nodes == 3
        self.state = pathlib.Path(kept) if self.kept else pathlib.Path(folder) / "servers"
        self.nodes = nodes
        # A node that is cut off or sleeps since a run that was killed does not start, nor do the others with it.
        cut_off.give_back_of_the_dead()
        self.wake()
        try:
            environment = self.start()
        except BaseException:
            self.stop()
            raise
        self.port = re.search(r"DATAFLOW_CASSANDRA_PORT=(\d+)", environment).group(1)
        self.hosts = [f"127.0.0.{number}" for number in range(1, nodes + 1)]

    def servers_sh(self, *arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DATAFLOW_")}
        environment |= {"DATAFLOW_SERVERS_DIR": str(self.state), "DATAFLOW_SERVERS_HEAP": "640M"}
        done = subprocess.run(
            [SERVERS_SH, *arguments], env=environment, capture_output=True, text=True, timeout=START_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self):
        """Starts what does not run: at first all of it, later a node that was killed, on its data."""
        return self.servers_sh("start", "cassandra", "--nodes", str(self.nodes))

    def stop(self):
        if not self.kept:
            self.servers_sh("stop", "cassandra")

    def base(self, node):
        return self.state / "cassandra" / f"node{node}"

    def pid(self, node):
        return int(self.base(node).with_suffix(".pid").read_text())

    def signal(self, which, node=1):
        os.kill(self.pid(node), which)

    def wake(self):
        """Those that were paused go on. One that was killed has nobody to be told, or somebody else by now."""
        for node in range(1, self.nodes + 1):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                pid = self.pid(node)
                if str(self.base(node)).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGCONT)

    def kill(self, node=1):
        """Ends it at once; returns when it is gone."""
        pid = self.pid(node)
        os.kill(pid, signal.SIGKILL)

        def gone():
            """Its main thread is a zombie before the others have let go of its ports."""
            try:
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                return state in "ZX" and len(os.listdir(f"/proc/{pid}/task")) <= 1
            except (FileNotFoundError, ProcessLookupError):
                return True

        harness.wait_for(gone, f"node {node} is gone")

    def connect(self):
        """A session of the Python driver on the nodes that answer."""
        return harness.cassandra_cluster(self.hosts, self.port)

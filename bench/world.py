"""The real servers, and what a benchmark does to them between runs: fill, empty, count, let them settle."""
import os
import pathlib
import shlex
import subprocess
import time

import boto3
import botocore.config
import redis
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import SimpleStatement

import measure
from measure import Wrong
from rounds import progress

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUCKET = "bench"
# A server counts as settled when it takes less than this share of a core while nobody asks anything of it.
IDLE_SHARE = 0.05
SETTLE_WINDOW_S = 0.5
SETTLE_PATIENCE_S = 60
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "JAVA_HOME")
# Each contestant has a keyspace and a Redis database of its own.
KEYSPACES = ("bench_ours", "bench_go", "bench_bare", "bench_copy", "bench_spark")
REDIS_DATABASES = {"bench_ours": 1, "bench_go": 2}


def bare_environment():
    """The variables that programs need, none of a developer's settings."""
    return {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}


def heap_mib(nodes):
    """The heap that Cassandra's own start script gives a node (conf/cassandra-env.sh), of its share of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // nodes
    return max(min(memory // 2, 1024), min(memory // 4, 8192))


def start_servers(folder, *services, nodes=1):
    """Starts what of the servers does not run, in a state folder of the benchmark's, and returns their environment. The
    nodes are set up as Cassandra comes, also where the tests need another thing (batch is how three nodes sync theirs)."""
    environment = {
        **bare_environment(), "DATAFLOW_SERVERS_DIR": str(folder), "AWS_S3_BUCKET": BUCKET,
        "DATAFLOW_SERVERS_HEAP": f"{heap_mib(nodes)}M", "DATAFLOW_SERVERS_SYNC": "periodic",
    }
    if os.environ.get("XDG_CACHE_HOME"):
        environment["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"]
    out = subprocess.run(
        [ROOT / "scripts/servers.sh", "start", *services, "--nodes", str(nodes)], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    words = (shlex.split(line)[1] for line in out.splitlines() if line.startswith("export "))
    return dict(word.split("=", 1) for word in words)


class World:
    """One set of servers with the keyspaces, Redis databases and the bucket of the benchmark."""

    def __init__(self, folder, binaries, nodes=1):
        self.folder, self.binaries = pathlib.Path(folder), pathlib.Path(binaries)
        services = () if nodes == 1 else ("cassandra",)
        self.servers = start_servers(folder, *services, nodes=nodes)
        self.hosts = self.servers["DATAFLOW_CASSANDRA_HOST"].split(",")
        self.port = int(self.servers["DATAFLOW_CASSANDRA_PORT"])
        self.replication = min(nodes, 3)
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy(self.hosts), request_timeout=300)
        self.cluster = Cluster(self.hosts, port=self.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
        self.cassandra = self.cluster.connect()
        self.provisioned = set()
        if nodes == 1:
            self.connect_s3()

    def connect_s3(self):
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.servers["AWS_ENDPOINT_URL"],
            region_name=self.servers["AWS_S3_REGION"],
            aws_access_key_id=self.servers["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.servers["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(
                request_checksum_calculation="when_required", response_checksum_validation="when_required"
            ),
        )

    def close(self):
        self.cluster.shutdown()

    def stop(self):
        """Ends the servers as well."""
        self.close()
        subprocess.run(
            [ROOT / "scripts/servers.sh", "stop"], env={**bare_environment(), "DATAFLOW_SERVERS_DIR": str(self.folder)}, check=True
        )

    def environment(self, keyspace):
        """What our programs need to use the servers with this keyspace."""
        environment = {**bare_environment(), **self.servers, "DATAFLOW_CASSANDRA_KEYSPACE": keyspace}
        if keyspace in REDIS_DATABASES:
            environment["DATAFLOW_REDIS_DB"] = str(REDIS_DATABASES[keyspace])
        else:
            environment.pop("DATAFLOW_REDIS_ADDR", None)
        return environment

    def provision(self, keyspace):
        if keyspace in self.provisioned:
            return
        subprocess.run(
            [self.binaries / "job", "-provision", "-replication", str(self.replication)],
            env=self.environment(keyspace), check=True, stdout=subprocess.DEVNULL,
        )
        self.provisioned.add(keyspace)

    def redis(self, keyspace):
        address = self.servers["DATAFLOW_REDIS_ADDR"]
        return redis.Redis.from_url(f"redis://{address}/{REDIS_DATABASES[keyspace]}")

    def empty(self, keyspace):
        """Makes the next load of this keyspace a cold one: no row, no cache."""
        self.provision(keyspace)
        self.cassandra.execute(f"TRUNCATE {keyspace}.products")
        if keyspace in REDIS_DATABASES and "DATAFLOW_REDIS_ADDR" in self.servers:
            # Not waited for: it takes longer than any client would wait, after a stream of 10 GB.
            self.redis(keyspace).flushdb(asynchronous=True)

    def empty_all(self):
        """So that nobody's rows weigh on another's load."""
        for keyspace in KEYSPACES:
            if keyspace in self.provisioned:
                self.empty(keyspace)

    def rows(self, keyspace):
        # As many replicas are asked as were told: one alone may still lack what the others acknowledged.
        count = SimpleStatement(f"SELECT count(*) FROM {keyspace}.products", consistency_level=ConsistencyLevel.QUORUM)
        return self.cassandra.execute(count).one()[0]

    def expect_rows(self, keyspace, who, rows):
        """A load that is not complete is no load."""
        found = self.rows(keyspace)
        if found != rows:
            raise Wrong(f"{who}: the table holds {found} rows, not {rows}: the load is not complete")

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def remove(self, prefix):
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if keys:
                self.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})

    def pids(self):
        return [int(path.read_text()) for path in self.folder.glob("*/*.pid")]

    def settle(self):
        """Waits until no server works any more: what a run leaves behind (flushes, compactions) is not the next one's."""
        deadline = time.monotonic() + SETTLE_PATIENCE_S
        pids = self.pids()
        before = {pid: measure.cpu_s(pid) for pid in pids}
        while True:
            time.sleep(SETTLE_WINDOW_S)
            after = {pid: measure.cpu_s(pid) for pid in pids}
            if all(after[pid] - before[pid] <= IDLE_SHARE * SETTLE_WINDOW_S for pid in pids):
                return
            if time.monotonic() > deadline:
                progress(f"  the servers still work after {SETTLE_PATIENCE_S} s; going on")
                return
            before = after

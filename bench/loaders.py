"""Those who load the catalogue into Cassandra: ours, the limit, and the peers. Each `load` returns a Sample of a load that
was complete and throws where it was not."""
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile

import generate
import measure
from measure import Wrong
from peers import write_csv
from rounds import Sample
from world import BUCKET


SPARK_PROGRAM = pathlib.Path(__file__).resolve().parent / "peers/spark/sparkload.py"


class OurJob:
    """build/release/job from S3 into Cassandra, with the cache in Redis."""

    def __init__(self, world, catalogue):
        self.world, self.catalogue, self.keyspace = world, catalogue, "bench_ours"
        world.provision(self.keyspace)

    def run(self, *arguments, **settings):
        """One run; its figures and its report."""
        environment = {**self.world.environment(self.keyspace), **settings}
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.json"
            finished = measure.run(
                self.world.binaries / "bench_launch",
                [self.world.binaries / "job", "-report", report, "-rejects", f"{folder}/rejects", *arguments],
                environment, folder,
            )
            return finished, json.loads(report.read_text())

    def load(self, expected_written):
        """Every line read, so many written."""
        return self.checked(lines=self.catalogue.rows, written=expected_written, rejected=0)

    def cold(self):
        return self.load(self.catalogue.rows)

    def again(self):
        """Nothing read: every object is skipped."""
        return self.checked(lines=0, written=0, bytes=0, objects_skipped=generate.FILES)

    def checked(self, **expected):
        return self.sample(*self.run(), **expected)

    def sample(self, finished, report, **expected):
        different = {key: report[key] for key, value in expected.items() if report[key] != value}
        if different:
            raise Wrong(f"ours: {expected} expected, but the report says {different}")
        self.world.expect_rows(self.keyspace, "ours", self.catalogue.rows)
        return Sample(finished.wall_s, self.catalogue.rows, finished.cpu_s, finished.peak_bytes)


class BareLoop:
    """bench_bare_loop: the rows in memory, nothing but the client. Its time is that of the loop."""

    def __init__(self, world, catalogue, *arguments):
        self.world, self.catalogue, self.arguments, self.keyspace = world, catalogue, arguments, "bench_bare"
        world.provision(self.keyspace)

    def cold(self):
        finished = measure.run(
            self.world.binaries / "bench_launch",
            [self.world.binaries / "bench_bare_loop", *self.arguments, *self.catalogue.today],
            self.world.environment(self.keyspace), self.world.folder,
        )
        told = json.loads(finished.out)
        self.world.expect_rows(self.keyspace, "bare loop", self.catalogue.rows)
        return Sample(
            told["wall_s"], told["rows"], told["cpu_s"], None, {"rows a batch": round(told["rows"] / told["batches"], 1)}
        )


class GoJob:
    """The original's design in Go (peers/rowbyrow-go)."""

    def __init__(self, world, catalogue, program, concurrency=None):
        self.world, self.catalogue, self.program, self.keyspace = world, catalogue, program, "bench_go"
        self.concurrency = concurrency
        world.provision(self.keyspace)

    def cold(self):
        servers = self.world.servers
        command = [
            self.program, "-bucket", BUCKET, "-endpoint", servers["AWS_ENDPOINT_URL"],
            "-key", servers["AWS_ACCESS_KEY_ID"], "-secret", servers["AWS_SECRET_ACCESS_KEY"],
            "-cassandra", self.world.hosts[0], "-cassandra-port", self.world.port, "-keyspace", self.keyspace,
            "-redis", servers["DATAFLOW_REDIS_ADDR"], "-redis-db", 2,
        ]
        if self.concurrency:
            command += ["-concurrency", self.concurrency]
        finished = measure.run(
            self.world.binaries / "bench_launch", command, self.world.environment(self.keyspace), self.world.folder
        )
        self.world.expect_rows(self.keyspace, "go", self.catalogue.rows)
        return Sample(finished.wall_s, self.catalogue.rows, finished.cpu_s, finished.peak_bytes)

    warm = cold  # it asks its cache row by row, whatever has changed


def copy_seconds(text):
    """The time in COPY's last line, as cqlsh writes intervals: "in 7.5 seconds", "in 1 minute and 7.5 seconds", also
    with hours before that."""
    found = re.findall(r"rows imported from .* files? in (.*?[0-9.]+ seconds)", text)
    if not found:
        raise Wrong(f"COPY does not say how long it took: {text[-500:]}")
    lengths = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
    return sum(float(number) * lengths[unit] for number, unit in re.findall(r"([0-9.]+) (day|hour|minute|second)", found[-1]))


class Copy:
    """cqlsh COPY FROM; the CSV is made beforehand, the time is the one that it prints."""

    def __init__(self, world, catalogue, cqlsh):
        self.world, self.catalogue, self.cqlsh, self.keyspace = world, catalogue, cqlsh, "bench_copy"
        self.csv = write_csv(catalogue.today, catalogue.today[0].parent / "products.csv")
        world.provision(self.keyspace)

    def cold(self):
        statement = f"COPY {self.keyspace}.products(id,title,price,category,brand,url,description) FROM '{self.csv}'"
        finished = measure.run(
            self.world.binaries / "bench_launch",
            [self.cqlsh, self.world.hosts[0], self.world.port, "--no-color", "-e", statement],
            self.world.environment(self.keyspace), self.world.folder,
        )
        seconds = copy_seconds(finished.out)
        self.world.expect_rows(self.keyspace, "COPY", self.catalogue.rows)
        return Sample(seconds, self.catalogue.rows, finished.cpu_s, finished.peak_bytes)


class Spark:
    """The Spark Cassandra Connector in a session that stays alive between the rounds (peers/spark); its first load, which
    warms the JVM, is not measured."""

    def __init__(self, world, catalogue, python, jars, java_home):
        self.world, self.catalogue, self.keyspace = world, catalogue, "bench_spark"
        world.provision(self.keyspace)
        self.log = (world.folder / "spark.log").open("w")
        self.process = subprocess.Popen(
            [python, SPARK_PROGRAM, jars, world.hosts[0], str(world.port), self.keyspace, *catalogue.today],
            env={**world.environment(self.keyspace), "JAVA_HOME": str(java_home), "PYSPARK_PYTHON": str(python)},
            cwd=world.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        self.told()
        self.cold()

    def told(self):
        line = self.process.stdout.readline()
        if not line:
            raise Wrong(f"Spark ended; see {self.log.name}")
        return line

    def cold(self):
        pids = measure.tree(self.process.pid)
        before = sum(map(measure.cpu_s, pids))
        self.process.stdin.write("load\n")
        self.process.stdin.flush()
        seconds = float(self.told())
        cpu_s = sum(map(measure.cpu_s, pids)) - before
        self.world.expect_rows(self.keyspace, "spark", self.catalogue.rows)
        return Sample(seconds, self.catalogue.rows, cpu_s, sum(map(measure.peak_bytes, pids)))

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=60)
        self.log.close()

"""Those who load the catalogue into Cassandra: ours, the limit, and the peers. Each `load` returns a Sample of a load that
was complete and throws where it was not."""
import json
import pathlib
import tempfile

import measure
from measure import Wrong
from rounds import Sample
from world import BUCKET, last_number


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

    def load(self, expected_written, expected_lines=None):
        finished, report = self.run()
        lines = self.catalogue.rows if expected_lines is None else expected_lines
        if report["lines"] != lines or report["written"] != expected_written or report["rejected"]:
            raise Wrong(f"ours: {lines} lines and {expected_written} written expected, the report says {report}")
        self.world.expect_rows(self.keyspace, "ours", self.catalogue.rows)
        return Sample(finished.wall_s, self.catalogue.rows, finished.cpu_s, finished.peak_bytes)

    def cold(self):
        return self.load(self.catalogue.rows)


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


class Copy:
    """cqlsh COPY FROM; the CSV is made beforehand, the time is the one that it prints."""

    def __init__(self, world, catalogue, cqlsh, csv):
        self.world, self.catalogue, self.cqlsh, self.csv, self.keyspace = world, catalogue, cqlsh, csv, "bench_copy"
        world.provision(self.keyspace)

    def cold(self):
        statement = f"COPY {self.keyspace}.products(id,title,price,category,brand,url,description) FROM '{self.csv}'"
        finished = measure.run(
            self.world.binaries / "bench_launch",
            [self.cqlsh, self.world.hosts[0], self.world.port, "--no-color", "-e", statement],
            self.world.environment(self.keyspace), self.world.folder,
        )
        seconds = last_number(finished.out, r"rows imported from .* files? in (?:0 day, 0 hour, 0 minute, and )?([0-9.]+) seconds", "time of COPY")
        self.world.expect_rows(self.keyspace, "COPY", self.catalogue.rows)
        return Sample(seconds, self.catalogue.rows, finished.cpu_s, finished.peak_bytes)

"""The rows without a server: parsing, the embedded store, both with one thread and with two."""
import json
import subprocess

import measure
from measure import Wrong
from rounds import Contestant, Row, Sample
from world import bare_environment

# So many rows of bench_stream, for figures about threads: long enough that starting a process does not count.
STREAM_ROWS = 1_000_000
STREAM_FILES = 4


def stream_files(context, rows=STREAM_ROWS):
    """Files of bench_stream, written once."""
    folder = context.folder / "data" / f"stream-{rows}"
    paths = [folder / f"stream-{n + 1}.jsonl" for n in range(STREAM_FILES)]
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(paths):
        if not path.exists():
            part, each = path.with_suffix(".part"), rows // STREAM_FILES
            with part.open("wb") as out:
                subprocess.run(
                    [context.binaries / "bench_stream", "-rows", str(each), "-first-id", str(1 + number * each)],
                    stdout=out, check=True,
                )
            part.rename(path)
    return paths


class EmbeddedJob:
    """The job with store and cache embedded, in a folder of its own each run."""

    def __init__(self, context, paths, rows, *arguments, job=None):
        self.context, self.paths, self.rows, self.arguments = context, paths, rows, arguments
        self.program = job or context.binaries / "job"

    def run(self, lines_written):
        with self.context.scratch() as folder:
            command = [
                self.program, "-report", folder / "report.json", "-rejects", folder / "rejects", *self.arguments, *self.paths,
            ]
            environment = {**bare_environment(), "DATAFLOW_ROCKSDB_PATH": str(folder / "dataflow.db")}
            finished = measure.run(self.context.binaries / "bench_launch", command, environment, folder)
            report = json.loads((folder / "report.json").read_text())
        if report["lines"] != self.rows or report["written"] != lines_written or report["rejected"]:
            raise Wrong(f"{self.rows} lines and {lines_written} written expected, the report says {report}")
        return finished, report

    def load(self):
        finished, _ = self.run(self.rows)
        return Sample(finished.wall_s, self.rows, finished.cpu_s, finished.peak_bytes)

    def parse(self):
        """Figures a byte, not a row."""
        finished, report = self.run(0)
        return Sample(
            finished.wall_s, self.rows, finished.cpu_s, finished.peak_bytes,
            {"GB/s": report["bytes"] / finished.wall_s / 1e9, "CPU s a GB": finished.cpu_s / report["bytes"] * 1e9},
        )


def threads(context, name, title, target, run, *arguments):
    """A row that compares -concurrency 2 with 1."""
    paths = stream_files(context)
    two, one = (EmbeddedJob(context, paths, STREAM_ROWS, "-concurrency", n, *arguments) for n in ("2", "1"))
    return Row(name, title, "row", [
        Contestant("ours", lambda: run(two)), Contestant("ours, -concurrency 1", lambda: run(one)),
    ], rate=True, target=target)


def embedded(context):
    job = EmbeddedJob(context, context.catalogue.today, context.catalogue.rows)
    return Row(
        "embedded", "embedded store: load of the catalogue", "row", [Contestant("ours", job.load)], rate=True,
        target="300,000 rows/s, aim 600,000",
    )


def rows(context):
    return {
        "parse": lambda: threads(
            context, "parse", f"parse (-dry-run, nothing stored yet), {STREAM_ROWS:,} rows from files",
            "1 GB/s a core, aim 1.5; 1.7 x of one thread", EmbeddedJob.parse, "-dry-run",
        ),
        "embedded": lambda: embedded(context),
        "embedded-threads": lambda: threads(
            context, "embedded-threads", f"embedded store: load of {STREAM_ROWS:,} rows", "1.7 x of one thread", EmbeddedJob.load,
        ),
    }

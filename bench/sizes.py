"""The rows about size: memory under a long stream, one large object against many, very many small ones."""
import contextlib
import json
import pathlib
import subprocess
import tempfile

import boto3.s3.transfer

import measure
from measure import Wrong
from rounds import Contestant, Row, Sample
from services import free_port
from world import BUCKET, bare_environment

MB, GB = 10**6, 10**9
SMALL_STREAM, STREAM, LONG_STREAM = 100 * MB, GB, 10 * GB
LARGE, LONG_LARGE = 400 * MB, 4 * GB
PIECES = 40
SMALL_OBJECTS, LONG_SMALL_OBJECTS = 5_000, 100_000
# Of the small objects, how many are read one at a time: a tenth, since it takes so long.
ONE_AT_A_TIME_SHARE = 10
# They lie in folders of so many: the S3 server looks at all files of a folder for each page of its list, 2.5 s a page where
# there are 100,000, and nothing else would be measured.
SMALL_OBJECTS_A_FOLDER = 500
# What a request to S3 takes from within its region is not less.
S3_DELAY_MS = 10


def stream_command(context, **numbers):
    words = [context.binaries / "bench_stream"]
    for name, number in numbers.items():
        words += ["-" + name.replace("_", "-"), number]
    return [str(word) for word in words]


def job(context, environment, folder, *arguments, stdin=subprocess.DEVNULL):
    """A run of the job: figures and report."""
    report = pathlib.Path(folder) / "report.json"
    finished = measure.run(
        context.binaries / "bench_launch",
        [context.binaries / "job", "-report", report, "-rejects", f"{folder}/rejects", *arguments], environment, folder, stdin,
    )
    told = json.loads(report.read_text())
    if told["rejected"] or told["lines"] == 0:
        raise Wrong(f"rows are missing: {told}")
    return finished, told


class Stream:
    """The job reading standard input, so many bytes from bench_stream."""

    def __init__(self, context):
        self.context = context

    def run(self, environment, size):
        with self.context.scratch() as folder:
            environment = {**environment, "DATAFLOW_ROCKSDB_PATH": str(folder / "dataflow.db")}
            source = subprocess.Popen(stream_command(self.context, bytes=size), stdout=subprocess.PIPE)
            try:
                finished, report = job(self.context, environment, folder, "-", stdin=source.stdout)
            finally:
                source.stdout.close()
                source.kill()
                source.wait()
        if report["bytes"] < size or report["written"] != report["lines"]:
            raise Wrong(f"a stream of {size} bytes was not loaded whole: {report}")
        return Sample(finished.wall_s, report["lines"], finished.cpu_s, finished.peak_bytes, {"GB": report["bytes"] / GB})

    def embedded(self, size):
        return self.run(bare_environment(), size)

    def cassandra(self, size):
        keyspace = self.context.ours.keyspace
        self.context.world.empty(keyspace)
        return self.run(self.context.world.environment(keyspace), size)


def stream_memory(context):
    stream, long = Stream(context), LONG_STREAM if context.options.long else STREAM
    runs = [(f"ours, {size / GB:g} GB, {where.__name__}", where, size)
            for where in (stream.embedded, stream.cassandra) for size in (SMALL_STREAM, long)]
    contestants = [
        Contestant(who, lambda where=where, size=size: where(size), at_most=1 if size == long else None)
        for who, where, size in runs
    ]
    return Row(
        "stream-memory", "peak memory at the defaults, a stream on standard input", "row", contestants, rate=True,
        target="peak under 200 MiB, the same for 100 MB and for 10 GB; aim 100 MiB",
    )


class S3Reading:
    """The job reading objects and parsing them, without a store (-dry-run): what reading takes."""

    def __init__(self, context):
        self.context = context

    def read(self, sources, rows, **settings):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**bare_environment(), **self.context.world.servers, **settings}
            for name in ("DATAFLOW_CASSANDRA_HOST", "DATAFLOW_CASSANDRA_PORT", "DATAFLOW_REDIS_ADDR"):
                environment.pop(name, None)
            environment["DATAFLOW_ROCKSDB_PATH"] = f"{folder}/none.db"
            finished, report = job(self.context, environment, folder, "-dry-run", *(f"s3://{BUCKET}/{source}" for source in sources))
        if report["lines"] != rows:
            raise Wrong(f"{sources[0]}: {report['lines']} lines read, not {rows}")
        return finished, report

    def put_large(self, size):
        """The same lines as one object, and as PIECES of them. Returns how many."""
        world, total = self.context.world, 0
        each = size // PIECES // 500  # lines are about 500 bytes long
        transfer = boto3.s3.transfer.TransferConfig(multipart_chunksize=64 * 2**20, use_threads=False)
        with self.context.scratch() as folder:
            whole = folder / "whole"
            with whole.open("wb") as out:
                for piece in range(PIECES):
                    lines = subprocess.run(
                        stream_command(self.context, rows=each, first_id=1 + total), stdout=subprocess.PIPE, check=True
                    ).stdout
                    out.write(lines)
                    world.put(f"large/pieces/{piece:03}.jsonl", lines)
                    total += each
            world.s3.upload_file(str(whole), BUCKET, "large/one/whole.jsonl", Config=transfer)
        return total

    def large(self, source, rows):
        finished, report = self.read([source], rows)
        return Sample(
            finished.wall_s, rows, finished.cpu_s, finished.peak_bytes, {"GB/s": report["bytes"] / finished.wall_s / GB}
        )

    def put_small(self, count):
        lines = subprocess.run(stream_command(self.context, rows=count), stdout=subprocess.PIPE, check=True).stdout
        for number, line in enumerate(lines.splitlines(keepends=True)):
            self.context.world.put(f"small/{number // SMALL_OBJECTS_A_FOLDER:03}/{number:06}.jsonl", line)

    def small(self, objects, delayed, **settings):
        folders = [f"small/{number:03}/" for number in range(objects // SMALL_OBJECTS_A_FOLDER)]
        with self.delayed() if delayed else contextlib.nullcontext({}) as endpoint:
            finished, _ = self.read(folders, objects, **endpoint, **settings)
        return Sample(finished.wall_s, objects, finished.cpu_s, finished.peak_bytes)

    @contextlib.contextmanager
    def delayed(self):
        """The endpoint, as far away as S3 is."""
        port, server = free_port(), self.context.world.servers["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]
        proxy = subprocess.Popen([self.context.binaries / "bench_delay", str(port), server, str(S3_DELAY_MS)])
        try:
            yield {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        finally:
            proxy.kill()
            proxy.wait()


def large_object(context):
    reading = S3Reading(context)
    size = LONG_LARGE if context.options.long else LARGE
    rows = reading.put_large(size)
    context.callback(context.world.remove, "large/")
    return Row(
        "large-object", f"one object of {size / GB:g} GB in S3, read and parsed (-dry-run)", "row", [
            Contestant("ours", lambda: reading.large("large/one/", rows)),
            Contestant(f"ours, the same in {PIECES} objects", lambda: reading.large("large/pieces/", rows)),
        ], target=f"within 1.15 x of the same bytes in {PIECES} objects",
    )


def put_small_once(context):
    """The reader and how many objects there are; put for the first of the rows about them."""
    count = LONG_SMALL_OBJECTS if context.options.long else SMALL_OBJECTS
    reading = S3Reading(context)
    if not context.small_objects_are_there:
        reading.put_small(count)
        context.callback(context.world.remove, "small/")
        context.small_objects_are_there = True
    return reading, count


def small_objects(context, name, where, delayed):
    reading, count = put_small_once(context)
    some = count // ONE_AT_A_TIME_SHARE
    one = {"DATAFLOW_PIPELINE_OBJECTS_IN_FLIGHT": "1", "DATAFLOW_S3_PARTS_PER_OBJECT": "1"}
    return Row(
        name, f"{count:,} objects of one row in S3, listed and read (-dry-run), {where}", "object", [
            Contestant("ours", lambda: reading.small(count, delayed)),
            Contestant("ours, one at a time", lambda: reading.small(some, delayed, **one)),
        ], rate=True, target="10 x one at a time", note=f"one at a time: {some:,} of them",
    )


def rows(context):
    return {
        "stream-memory": lambda: stream_memory(context),
        "large-object": lambda: large_object(context),
        "small-objects": lambda: small_objects(
            context, "small-objects", f"each request {S3_DELAY_MS} ms longer, as to S3", delayed=True
        ),
        "small-objects-near": lambda: small_objects(
            context, "small-objects-near", "the server on the same two cores, no delay", delayed=False
        ),
    }

"""The rows of `scripts/bench.sh serve`: GET /product/:id."""
import json
import subprocess

import services
from measure import Wrong
from rounds import Contestant, Row
from world import bare_environment

SECONDS, LONG_SECONDS = 8, 20


class Serve:
    """What the rows share: loaded stores, and how long a run takes."""

    def __init__(self, context):
        self.context = context
        self.seconds = LONG_SECONDS if context.options.long else SECONDS
        self.ids = (1, context.options.rows)
        self.loaded = False

    def known(self):
        """The first product of the catalogue."""
        with self.context.catalogue.today[0].open(encoding="utf-8") as lines:
            return json.loads(next(lines))

    def load(self):
        """The table holds the catalogue, as all its readers expect."""
        if not self.loaded:
            self.context.catalogue.put(self.context.world, self.context.catalogue.today)
            self.context.world.empty(self.context.ours.keyspace)
            self.context.ours.cold()
            self.loaded = True
            self.ours()  # the server's first reads are slow ones, until it has compiled their way

    def environment(self):
        return self.context.world.environment(self.context.ours.keyspace)

    def ours(self, ids=None, access_log=False, count=None):
        with services.ours(self.context, self.environment(), self.known(), access_log=access_log) as service:
            return services.under_load(service, self.seconds, ids or self.ids, count=count)

    def go(self, ids=None, count=None):
        program = self.context.peers.ready["http-go"]
        with services.go(self.context, program, self.context.world, self.context.ours.keyspace, self.known()) as service:
            return services.under_load(service, self.seconds, ids or self.ids, count=count)

    def reads(self):
        """How many reads of the table the node has served."""
        rows = self.context.world.cassandra.execute(
            "SELECT count FROM system_views.local_read_latency WHERE keyspace_name = %s AND table_name = 'products'",
            [self.context.ours.keyspace],
        )
        return rows.one()[0]

    def embedded(self):
        """One core for the service, the other for wrk; the store is filled by the job first."""
        with self.context.scratch() as folder:
            environment = {**bare_environment(), "DATAFLOW_ROCKSDB_PATH": str(folder / "dataflow.db")}
            subprocess.run(
                [self.context.binaries / "job", "-rejects", folder / "rejects", *self.context.catalogue.today],
                env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            with services.ours(self.context, environment, self.known(), prefix=("taskset", "-c", "0")) as service:
                return services.under_load(service, self.seconds, self.ids, prefix=("taskset", "-c", "1"))


def cassandra(context, serve):
    contestants = [
        Contestant("ours", serve.ours, serve.load),
        Contestant("ours, with its access log", lambda: serve.ours(access_log=True), serve.load),
    ]
    if "http-go" in context.peers.ready:
        contestants.append(Contestant("http-go", serve.go, serve.load))
    return Row(
        "get", "GET from Cassandra, 64 connections, random ids", "request", contestants, rate=True,
        target="1.5 x http-go, p99 not above its, CPU a request 0.5 x its; aim 12 us",
    )


def same_id(context, serve):
    one = (1, 1)
    contestants = [Contestant("ours", lambda: serve.ours(one, count=serve.reads), serve.load)]
    if "http-go" in context.peers.ready:
        contestants.append(Contestant("http-go", lambda: serve.go(one, count=serve.reads), serve.load))
    return Row(
        "same-id", "the same id asked by 64 connections at once", "request", contestants, rate=True,
        target="one read of the store for all that wait", note="reads as the node counts them",
    )


def embedded(context, serve):
    if context.cores < 2:
        raise Wrong("the row get-embedded wants two cores: one for the service, one for wrk")
    return Row(
        "get-embedded", "GET from the embedded store, 64 connections, one core for the service", "request",
        [Contestant("ours", serve.embedded)], rate=True, target="70,000 requests/s, aim 120,000",
        note="wrk has a core as well, and is the limit where it takes all of it",
    )


def rows(context):
    serve = Serve(context)
    made = {"get": cassandra, "same-id": same_id, "get-embedded": embedded}
    return {name: lambda make=make: make(context, serve) for name, make in made.items()}

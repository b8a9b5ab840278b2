"""The rows of `scripts/bench.sh load` on four objects: S3 to Cassandra with Redis."""
from loaders import BareLoop
from rounds import Contestant, Row


class Objects:
    """What the bucket and the caches hold, so that each row finds what it needs whichever ran before."""

    def __init__(self, context):
        self.context = context
        self.version = None  # today's or tomorrow's files
        self.go_is_warm = False

    def put(self, paths, touch=False):
        self.context.catalogue.put(self.context.world, paths, touch)
        self.version = paths

    def cold(self):
        """Today's objects, nothing loaded by anyone."""
        if self.version is not self.context.catalogue.today:
            self.put(self.context.catalogue.today)
        self.context.world.empty_all()
        self.go_is_warm = False

    def loaded(self):
        """Our table and cache hold what the bucket holds."""
        if self.version is None:
            self.put(self.context.catalogue.today)
        self.context.ours.run()

    def touched(self):
        """Loaded, then every object put again with the same rows and another ETag."""
        self.loaded()
        self.put(self.version, touch=True)

    def changed(self):
        """Loaded, then put with one row in a thousand at another price."""
        self.loaded()
        catalogue = self.context.catalogue
        self.put(catalogue.tomorrow if self.version is catalogue.today else catalogue.today)

    def loaded_by_go(self):
        if self.version is None:
            self.put(self.context.catalogue.today)
        if not self.go_is_warm:
            job = list(self.context.go_jobs.values())[-1]
            self.context.world.empty(job.keyspace)
            job.cold()
            self.go_is_warm = True


def cold(context, objects):
    ours, bare = context.ours, BareLoop(context.world, context.catalogue)
    contestants = [Contestant("ours", ours.cold, objects.cold), Contestant("bare loop", bare.cold, objects.cold)]
    contestants += [
        Contestant(name, job.cold, objects.cold, slow=name == "go") for name, job in context.go_jobs.items()
    ]
    contestants += [Contestant(name, loader.cold, objects.cold) for name, loader in context.other_loaders.items()]
    return Row(
        "cold", "cold load, S3 to Cassandra with Redis", "row", contestants,
        target="4 x go-64, 35 x go, 2 x copy, 3.5 x spark; wall 1.1 x the bare loop; 12 us CPU a row, aim 6",
    )


def go_warm(context, objects):
    return [Contestant(name, job.warm, objects.loaded_by_go) for name, job in context.go_jobs.items()]


def touched(context, objects):
    ours = Contestant("ours", lambda: context.ours.load(expected_written=0), objects.touched)
    return Row(
        "touched", "run again, objects touched (new ETag), no row changed", "row", [ours, *go_warm(context, objects)],
        target="10 x the better of go and go-64; aim 20 x, 1 M rows/s",
    )


def again(context, objects):
    ours = Contestant("ours", context.ours.again, objects.loaded)
    return Row(
        "again", "run again, nothing changed at all", "row", [ours, *go_warm(context, objects)], each=False,
        target="100 ms, no GET, no row read; aim 30 ms", note="ours: checked that every object was skipped and no line read",
    )


def changed(context, objects):
    some = Contestant("ours", lambda: context.ours.load(expected_written=context.catalogue.changed), objects.changed)
    none = Contestant("ours, none changed", lambda: context.ours.load(expected_written=0), objects.touched)
    return Row(
        "changed", "one row in a thousand changed", "row", [some, none],
        target="that many rows written; wall within 1.2 x of the run with none changed",
        note=f"{context.catalogue.changed} rows changed, each run checked to write exactly those",
    )


def rows(context):
    objects = Objects(context)
    made = {"cold": cold, "touched": touched, "again": again, "changed": changed}
    return {name: lambda make=make: make(context, objects) for name, make in made.items()}

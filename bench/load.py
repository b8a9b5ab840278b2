"""The rows of `scripts/bench.sh load`: S3 to Cassandra with Redis."""
from loaders import BareLoop, GoJob, OurJob
from rounds import Contestant, Row

WARM_UP_LOADS = 2


class LoadRows:
    """Builds the rows; what they share (the loaders) is made once."""

    def __init__(self, world, catalogue, peers):
        self.world, self.catalogue, self.peers = world, catalogue, peers
        self.ours = OurJob(world, catalogue)
        self.bare = BareLoop(world, catalogue)
        self.uploaded = False

    def warm_up(self):
        """A server that has just been started compiles while it works: nobody's first load is measured."""
        for _ in range(WARM_UP_LOADS):
            self.world.empty_all()
            self.bare.cold()

    def prepare_cold(self):
        if not self.uploaded:
            self.catalogue.put(self.world, self.catalogue.today)
            self.uploaded = True
        self.world.empty_all()

    def cold(self):
        contestants = [
            Contestant("ours", self.ours.cold, self.prepare_cold),
            Contestant("bare loop", self.bare.cold, self.prepare_cold),
        ]
        contestants += [
            Contestant(name, loader.cold, self.prepare_cold, slow=name == "go")
            for name, loader in self.peers.loaders(self.world, self.catalogue)
        ]
        return Row(
            "cold", "cold load, S3 to Cassandra with Redis", "row", contestants,
            target="4 x go-64, 35 x go, 2 x COPY, 3.5 x Spark; wall 1.1 x the bare loop; 12 us CPU a row, aim 6",
        )

    def prepare_touched(self):
        self.ensure_loaded()
        self.catalogue.put(self.world, self.catalogue.today, touch=True)

    def ensure_loaded(self):
        """Both caches know today's catalogue."""
        if not self.uploaded:
            self.catalogue.put(self.world, self.catalogue.today)
            self.uploaded = True
        self.ours.run()

    def rows(self):
        return {"cold": self.cold}

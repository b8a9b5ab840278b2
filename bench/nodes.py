"""Three nodes with three replicas, all on this machine: batches a replica set, and rows one by one. By name or --long only:
three nodes take a minute to start, and some gigabytes."""
import os

from catalogue import Catalogue
from context import warm_up
from loaders import BareLoop, OurJob
from rounds import Contestant, Row
from world import World

ROWS = 50_000
SINGLES_IN_FLIGHT = 256


class NoCacheJob(OurJob):
    """There is no Redis and no S3 beside the three nodes: files, every row written."""

    def cold(self):
        finished, report = self.run("-no-cache", *self.catalogue.today)
        return self.sample(finished, report, written=self.catalogue.rows)


def nodes(context):
    world = World(os.environ["DATAFLOW_SERVERS_DIR"] + "-three", context.binaries, nodes=3)
    context.callback(world.stop)
    context.worlds.append(world)
    catalogue = Catalogue(context.folder / "data", min(ROWS, context.options.rows))
    ours = NoCacheJob(world, catalogue)
    batches = BareLoop(world, catalogue)
    singles = BareLoop(world, catalogue, "-rows-a-batch", 1, "-in-flight", SINGLES_IN_FLIGHT)
    warm_up(world, batches, singles, ours)
    return Row(
        "nodes", f"three nodes, RF 3, QUORUM: {catalogue.rows:,} rows", "row", [
            Contestant("ours", ours.cold, world.empty_all),
            Contestant("bare loop", batches.cold, world.empty_all),
            Contestant("bare loop, singles", singles.cold, world.empty_all),
        ], target="1.5 x singles", note="the job from files, without a cache",
    )


def rows(context):
    return {"nodes": lambda: nodes(context)}

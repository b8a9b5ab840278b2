"""What the rows of the table share, each made when the first row asks for it."""
import contextlib
import functools
import os
import pathlib
import shutil
import tempfile

from catalogue import Catalogue
from loaders import BareLoop, Copy, GoJob, OurJob, Spark
from peers import Peers
from rounds import progress
from world import ROOT, World

# A server that has just been started compiles while it works: its first load takes three times as long as its tenth. What
# is measured is one that has run for a while, so loads are repeated until so many in a row were no faster than the best.
WARM_UP_PATIENCE = 3
WARM_UP_AT_MOST = 16


def warm_up(world, *loaders):
    """Loads until the servers are as fast as they become."""
    best, patience = float("inf"), WARM_UP_PATIENCE
    for number in range(WARM_UP_AT_MOST):
        took = 0
        for loader in loaders:
            world.empty_all()
            took += loader.cold().wall_s
        patience = WARM_UP_PATIENCE if took < 0.98 * best else patience - 1
        best = min(best, took)
        progress(f"  warming the servers, round {number + 1}: {took:.3f} s")
        if not patience:
            return


class Context(contextlib.ExitStack):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.worlds = []  # the sets of servers that are used
        self.small_objects_are_there = False
        self.folder = ROOT / "build" / "bench"
        self.cores = len(os.sched_getaffinity(0))
        self.binaries = pathlib.Path(options.binaries or ROOT / "build" / "release")

    @functools.cached_property
    def peers(self):
        return Peers(self.options.peers.split(","), self.folder / "peers")

    @functools.cached_property
    def catalogue(self):
        return Catalogue(self.folder / "data", self.options.rows)

    @functools.cached_property
    def world(self):
        """One node of Cassandra, Redis and S3, warm."""
        world = World(os.environ["DATAFLOW_SERVERS_DIR"], self.binaries)
        self.callback(world.close)
        self.worlds.append(world)
        self.catalogue.put(world, self.catalogue.today)
        warm_up(world, BareLoop(world, self.catalogue), OurJob(world, self.catalogue))
        return world

    def settle(self):
        for world in self.worlds:
            world.settle()

    @functools.cached_property
    def ours(self):
        return OurJob(self.world, self.catalogue)

    @functools.cached_property
    def go_jobs(self):
        """By name: at its default -concurrency and at 64."""
        ready, jobs = self.peers.ready, {}
        if "go" in ready:
            jobs["go"] = GoJob(self.world, self.catalogue, ready["go"])
        if "go-64" in ready:
            jobs["go-64"] = GoJob(self.world, self.catalogue, ready["go-64"], 64)
        return jobs

    @functools.cached_property
    def other_loaders(self):
        """By name, those who only load."""
        ready, loaders = self.peers.ready, {}
        if "copy" in ready:
            loaders["copy"] = Copy(self.world, self.catalogue, ready["copy"])
        if "spark" in ready:
            loaders["spark"] = Spark(self.world, self.catalogue, *ready["spark"])
            self.callback(loaders["spark"].close)
        return loaders

    @contextlib.contextmanager
    def scratch(self):
        """A folder for a run, on the same disk as the build, removed afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = tempfile.mkdtemp(prefix="run-", dir=self.folder)
        try:
            yield pathlib.Path(name)
        finally:
            shutil.rmtree(name, ignore_errors=True)

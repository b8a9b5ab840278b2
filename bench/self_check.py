"""Goal: a mistake in the measuring that would yield a wrong figure is found. python bench/self_check.py [BINARIES]

Needs no server. With the folder of the built programs it also checks bench_launch and bench_stream.
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import flame
import generate
import measure
import readme
import report
import rounds
from against import is_loss
from catalogue import Catalogue
from measure import Wrong
from peers import go_version
from rounds import Contestant, Row, Sample, play, turned

MIB = 2**20
# sha256 of the four files of generate.py DIRECTORY 1000, one behind the other.
DIGEST = "acec27b4208080ee74647bfba069a7ac6b3cb6a367a9637ecc1fc34db156d2a7"
BINARIES = pathlib.Path(sys.argv.pop()).resolve() if len(sys.argv) > 1 else None


class CatalogueTest(unittest.TestCase):
    """The catalogue is the one that every figure is about."""

    def test_same_bytes_as_ever(self):
        with tempfile.TemporaryDirectory() as folder:
            text = b"".join(path.read_bytes() for path in generate.write(folder, 1000))
        self.assertEqual(hashlib.sha256(text).hexdigest(), DIGEST)

    def test_counts_what_tomorrow_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            made = Catalogue(folder, 5000)
            self.assertEqual(made.rows, 5000)
            self.assertGreater(made.changed, 0)
            self.assertLess(made.changed, 50)

    def test_touching_changes_bytes_and_no_row(self):
        objects = []
        world = type("World", (), {"put": lambda _, key, body: objects.append(body)})()
        with tempfile.TemporaryDirectory() as folder:
            made = Catalogue(folder, 1000)
            for _ in range(2):
                made.put(world, made.today[:1], touch=True)
        self.assertEqual(len(set(objects)), 2)
        rows = [[json.loads(line) for line in body.splitlines()] for body in objects]
        self.assertEqual(rows[0], rows[1])


class RoundsTest(unittest.TestCase):
    """Everyone runs once a round, in turn; who is slow runs less; nothing done is no figure."""

    def played(self, rounds, slow_rounds=1):
        ran = []
        def contestant(who, **more):
            return Contestant(who, lambda: ran.append(who) or Sample(1.0, 10), **more)
        row = Row("row", "", "row", [contestant("a"), contestant("b"), contestant("slow", slow=True)])
        return ran, play(row, rounds, slow_rounds, lambda: None)

    def test_order_turns(self):
        ran, _ = self.played(2)
        self.assertEqual(ran, ["a", "b", "slow", "b", "a"])
        self.assertEqual(turned([1, 2, 3], 4), [2, 3, 1])

    def test_counts_runs(self):
        _, kept = self.played(3, slow_rounds=2)
        self.assertEqual({entry["who"]: len(entry["samples"]) for entry in kept["entries"]}, {"a": 3, "b": 3, "slow": 2})

    def test_refuses_a_run_that_did_nothing(self):
        row = Row("row", "", "row", [Contestant("idle", lambda: Sample(1.0, 0))])
        with self.assertRaises(Wrong):
            play(row, 1, 1, lambda: None)


class ReportTest(unittest.TestCase):
    """Ratios say how many times better ours is, whether less or more is better."""

    def row(self, rate, ours, theirs):
        def entry(who, seconds):
            return {"who": who, "samples": [{"wall_s": s, "work": 100, "cpu_s": 1e-4, "peak_bytes": MIB, "extra": {}} for s in seconds]}
        return {"rate": rate, "entries": [entry("ours", ours), entry("peer", theirs)]}

    def test_time(self):
        row = self.row(False, [1, 2, 9], [4, 8, 8])
        self.assertEqual(report.summary(row, row["entries"][0]), (2, 1, 9))
        self.assertEqual(report.ratio(row, row["entries"][1]), 4)
        self.assertIsNone(report.ratio(row, row["entries"][0]))

    def test_rate(self):
        row = self.row(True, [1], [4])
        self.assertEqual(report.ratio(row, row["entries"][1]), 4)

    def test_cpu_of_one_row(self):
        row = self.row(False, [1], [1])
        self.assertIn("1.00 us", report.cells(row, row["entries"][0]))


class ReadmeTest(unittest.TestCase):
    """Parts of one measurement are put together, another commit's figures are not."""

    def results(self, folder, name, commit, who):
        entry = {"who": who, "samples": [{"wall_s": 1, "work": 1, "cpu_s": None, "peak_bytes": None, "extra": {}}]}
        kept = {
            "date": "2000-01-01", "commit": commit, "machine": {"cpu": "", "cores": 1, "memory_gib": 1}, "left_out": {},
            "catalogue": {"rows": 1, "bytes": 1}, "rows": [{"name": "cold", "title": "", "rate": False, "entries": [entry]}],
        }
        path = pathlib.Path(folder, name)
        path.write_text(json.dumps(kept))
        return path

    def test_merged(self):
        with tempfile.TemporaryDirectory() as folder:
            files = [self.results(folder, *what) for what in (("1", "a", "ours"), ("2", "a", "ours"), ("3", "a", "peer"))]
            rows, said, _ = readme.merged(files)
            self.assertEqual([(e["who"], len(e["samples"])) for e in rows["cold"]["entries"]], [("ours", 2), ("peer", 1)])
            self.assertEqual(len(said), 1)
            rows, said, _ = readme.merged([*files, self.results(folder, "4", "b", "ours")])
            self.assertEqual([(e["who"], len(e["samples"])) for e in rows["cold"]["entries"]], [("ours", 1)])
            self.assertEqual(said[0][0], "b")

    def test_commits_of_one_machine(self):
        said = [("a", "2000-01-01", "2 cores"), ("b", "2000-01-01", "2 cores"), ("c", "2000-01-02", "2 cores"), ("c", "2000-01-02", "4 cores")]
        self.assertIn(
            "2000-01-01, commits a, b; 2000-01-02, commit c; 2 cores; 2000-01-02, commit c; 4 cores.", readme.sentence(said)
        )


class TextTest(unittest.TestCase):
    """Figures that others print are read right."""

    def test_copy(self):
        from loaders import copy_seconds
        self.assertEqual(copy_seconds("200000 rows imported from 1 files in 7.5 seconds (0 skipped).\n"), 7.5)
        self.assertEqual(copy_seconds("2 rows imported from 1 files in 1 minute and 7.5 seconds (0 skipped).\n"), 67.5)
        self.assertEqual(copy_seconds("2 rows imported from 1 files in 0 day, 0 hour, 2 minutes, and 1.5 seconds (0 skipped)."), 121.5)
        with self.assertRaises(Wrong):
            copy_seconds("Failed to import 3 rows")

    def test_go_versions(self):
        self.assertLess(go_version("go1.19.8"), go_version("module x\n\ngo 1.26.0\n"))

    def test_a_loss_is_one_in_every_round(self):
        self.assertTrue(is_loss([0.7, 0.5, 0.74]))
        self.assertFalse(is_loss([0.7, 0.5, 0.76]))


@unittest.skipUnless(BINARIES, "no folder of programs was given")
class ProgramsTest(unittest.TestCase):
    """bench_launch tells what the command took and not what we take; bench_stream writes what it says."""

    def run_python(self, text):
        return measure.run(BINARIES / "bench_launch", [sys.executable, "-c", text], None, "/")

    def test_memory_is_the_command_s(self):
        ballast = bytearray(200 * MIB)  # in this process, whose child the launcher is
        self.assertLess(self.run_python("pass").peak_bytes, 100 * MIB)
        self.assertGreater(self.run_python("bytearray(b'1') * (150 << 20)").peak_bytes, 150 * MIB)
        self.assertEqual(len(ballast), 200 * MIB)

    def test_cpu_is_not_wall(self):
        slept = self.run_python("import time; time.sleep(0.5)")
        self.assertGreater(slept.wall_s, 0.5)
        self.assertLess(slept.cpu_s, 0.3)
        worked = self.run_python("import time\nwhile time.process_time() < 0.4: pass")
        self.assertGreaterEqual(worked.cpu_s, 0.39)

    def test_a_failure_is_no_figure(self):
        with self.assertRaises(Wrong):
            self.run_python("raise SystemExit(3)")

    def test_stream(self):
        def stream(*words):
            return subprocess.run([BINARIES / "bench_stream", *words], stdout=subprocess.PIPE, check=True).stdout
        rows = [json.loads(line) for line in stream("-rows", "9000", "-first-id", "5").splitlines()]
        self.assertEqual([row["id"] for row in rows], list(range(5, 9005)))
        self.assertEqual(set(rows[0]), {"id", "title", "price", "category", "brand", "url", "description"})
        text = stream("-bytes", "3000000")
        self.assertTrue(3_000_000 <= len(text) < 3_010_000 and text.endswith(b"}\n"))


class FlameTest(unittest.TestCase):
    """Samples are counted where they belong, and executors and the kernel's inside are left out."""

    STACKS = """job
\t  55d0 void dataflow::read_line<char>(char const*, int) (inlined)
\t  55d1 boost::asio::detail::scheduler::run
\t  55d2 dataflow::Parser::parse

job
\t  ff01 tcp_sendmsg
\t  ff02 __x64_sys_sendto
\t  55d2 dataflow::Parser::parse

clients   7
\t  55d2 dataflow::Parser::parse

"""

    def test_tree(self):
        root = flame.grown(flame.stacks(self.STACKS.splitlines(keepends=True)), re.compile(flame.HIDDEN))
        self.assertEqual(root.samples, 3)
        parse = root.callees["job"].callees["Parser::parse"]
        self.assertEqual((parse.samples, parse.own), (2, 0))
        self.assertEqual({name: callee.own for name, callee in parse.callees.items()}, {"read_line": 1, "kernel: sendto": 1})
        lines = list(flame.told(root, root.samples, 10))
        self.assertIn(" 66.7 % job", lines)
        self.assertIn(" 33.3 %     kernel: sendto", lines)


if __name__ == "__main__":
    rounds.progress = lambda text: None
    unittest.main()

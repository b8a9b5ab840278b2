"""Goal: a full disk and a folder that may not be written to are told clearly, damage nothing, and the next run with room
completes."""
import json
import resource

import harness
from disk import read_only_place, small_disk
from faults import length, limited, served_table, write_files

ROWS = length(20_000, 100_000)
MIB = 1 << 20


def served(setup, rows):
    """The table as a service of the setup's own serves it."""
    with setup.service() as address:
        return served_table(address, rows)


def run(setup, figures, *arguments, code, **limits):
    """The job under a limit, which the report file must not meet: it goes to another disk."""
    process = setup.start(*arguments, stdin=harness.subprocess.DEVNULL, **limits)
    out, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    figures.runs += 1
    assert process.returncode == code, f"exit code {process.returncode} instead of {code}\n{out.decode()}\n{err.decode()}"
    return err.decode()


def test_embedded_store_on_a_full_disk(embedded, rng, figures):
    """From a disk that has no room for an empty store to one that has room for most rows; full while a run writes, and
    full or all but full when the next one begins."""
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    source = write_files(embedded, texts)
    most = sum(len(text.encode()) for text in texts) * 3 // 4
    sizes = [256 << 10, most, *(rng.randrange(256 << 10, most) for _ in range(length(4, 100)))]
    for number, size in enumerate(sizes):
        with small_disk(embedded, size, f"full-{number}") as disk:
            embedded.environment["DATAFLOW_ROCKSDB_PATH"] = str(disk.path / "store")
            for left in (None, 0, 4 << 10, 16 << 10, 64 << 10):
                if left is not None:
                    disk.fill(left)
                err = run(embedded, figures, source, code=4)
                figures.fault()
                assert "make room" in err, err
            disk.make_room()
            figures.run(embedded.job(source))
            assert figures.run(embedded.job(source)).written == 0
            if number < length(3, 20):
                figures.compare(served(embedded, expected), expected)


def test_file_size_limit_is_an_error_not_a_death(embedded, figures):
    source = write_files(embedded, harness.catalogue(ROWS))
    small = limited(resource.RLIMIT_FSIZE, MIB)
    err = run(embedded, figures, source, code=4, **small)
    figures.fault()
    assert "ulimit -f" in err, err
    figures.run(embedded.job(source))
    expected = harness.rows_of(*harness.catalogue(ROWS))
    figures.compare(served(embedded, expected), expected)


def test_embedded_store_in_a_read_only_folder(embedded, figures):
    texts = harness.catalogue(1_000)
    source = write_files(embedded, texts)
    with read_only_place(embedded) as disk:
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = str(disk.path / "store")
        disk.make_read_only()
        err = run(embedded, figures, source, code=4)
        figures.fault()
        assert "store" in err and ("may not" in err or "read-only" in err.lower()), err
        disk.make_room()
        figures.run(embedded.job(source))
        # One that is there already and may not be written any more.
        disk.make_read_only()
        err = run(embedded, figures, "-rejects", embedded.folder / "r", source, code=4)
        figures.fault()
        assert "store" in err and ("may not" in err or "read-only" in err.lower()), err
        disk.make_room()
        assert figures.run(embedded.job(source)).written == 0
        expected = harness.rows_of(*texts)
        figures.compare(served(embedded, expected), expected)


def bad_lines(count):
    return "".join(f'{{"id": {number}, "title": 7, "rest": "{"x" * 200}"}}\n' for number in range(count))


REJECTS = ("-max-errors", "100000", "-rejects")
BAD = 20_000


def with_bad_lines(setup):
    """A source with good lines and with more bad ones than there is room for; its rows."""
    texts = harness.catalogue(2_000)
    return write_files(setup, [*texts, bad_lines(BAD)]), harness.rows_of(*texts)


def check_rejects(embedded, figures, source, expected, rejects, here):
    """The next run with room leaves all of them and their reasons."""
    again = figures.run(embedded.job(*REJECTS, rejects, source, code=1))
    assert again.rejected == BAD
    assert sorted(here.read_text().splitlines()) == sorted(bad_lines(BAD).splitlines())
    assert len(here.with_name("rejects.jsonl.reasons").read_text().splitlines()) == BAD
    figures.compare(served(embedded, expected), expected)


def test_rejects_on_a_full_disk(embedded, figures):
    source, expected = with_bad_lines(embedded)
    with small_disk(embedded, MIB) as disk:
        rejects = disk.path / "rejects.jsonl"
        err = run(embedded, figures, *REJECTS, rejects, source, code=4)
        figures.fault()
        assert str(rejects) in err and "-rejects FILE" in err, err
        disk.make_room()
        check_rejects(embedded, figures, source, expected, rejects, disk.here / "rejects.jsonl")


def test_rejects_larger_than_a_file_may_be(embedded, figures):
    source, expected = with_bad_lines(embedded)
    rejects = embedded.folder / "rejects.jsonl"
    err = run(embedded, figures, *REJECTS, rejects, source, code=4, **limited(resource.RLIMIT_FSIZE, MIB))
    figures.fault()
    assert str(rejects) in err and "-rejects FILE" in err, err
    check_rejects(embedded, figures, source, expected, rejects, rejects)


def test_rejects_in_a_read_only_folder(embedded, figures):
    source, expected = with_bad_lines(embedded)
    with read_only_place(embedded) as disk:
        rejects, here = disk.path / "rejects.jsonl", disk.here / "rejects.jsonl"
        check_rejects(embedded, figures, source, expected, rejects, here)
        before = here.read_bytes()
        disk.make_read_only()
        err = run(embedded, figures, *REJECTS, rejects, source, code=4)
        figures.fault()
        assert str(rejects) in err and "-rejects FILE" in err, err
        assert here.read_bytes() == before, "what an earlier run rejected is still there"


def with_a_report(embedded, figures, source, texts, report, here):
    """A run that has room for its report."""
    run(embedded, figures, "-report", report, source, code=0)
    assert json.loads(here.read_text())["files"] == len(texts)
    expected = harness.rows_of(*texts)
    figures.compare(served(embedded, expected), expected)


def test_report_on_a_full_disk(embedded, figures):
    texts = harness.catalogue(2_000)
    source = write_files(embedded, texts)
    with small_disk(embedded, MIB) as disk:
        report, here = disk.path / "report.json", disk.here / "report.json"
        disk.fill()
        err = run(embedded, figures, "-report", report, source, code=4)
        figures.fault()
        assert str(report) in err and "-report FILE" in err, err
        assert not here.exists(), "half a report is none"
        disk.make_room()
        with_a_report(embedded, figures, source, texts, report, here)


def test_report_in_a_read_only_folder(embedded, figures):
    texts = harness.catalogue(2_000)
    source = write_files(embedded, texts)
    with read_only_place(embedded) as disk:
        report, here = disk.path / "report.json", disk.here / "report.json"
        with_a_report(embedded, figures, source, texts, report, here)
        before = here.read_bytes()
        disk.make_read_only()
        err = run(embedded, figures, "-report", report, source, code=4)
        figures.fault()
        assert str(report) in err and "-report FILE" in err, err
        assert here.read_bytes() == before, "the report of an earlier run is still there"


def test_temporary_files_on_a_full_disk(embedded, figures):
    """Ids that do not fit into memory go to a temporary file: no room for it ends the run, and nothing is wrong."""
    rows = 400_000
    texts = ["".join(harness.line(key, f"title {key}") for key in range(rows))]
    source = write_files(embedded, texts)
    expected = harness.rows_of(*texts)
    embedded.environment["DATAFLOW_PIPELINE_IDS_MEMORY_BYTES"] = str(MIB)
    kept = dict(embedded.environment)
    with small_disk(embedded, 64 << 10) as disk:
        embedded.environment["TMPDIR"] = str(disk.path)
        err = run(embedded, figures, source, code=4)
        figures.fault()
        assert str(disk.path) in err, err
        disk.make_room()
        figures.run(embedded.job(source))
        assert not list(disk.here.iterdir()), "temporary files are gone after the run"
    embedded.environment = kept
    sample = {key: expected[key] for key in range(0, rows, 101)}
    figures.compare(served(embedded, sample), sample)

"""Goal: the job as people use it: sources of every kind, exit codes, clear errors, signals, output for people and programs."""
import gzip
import json
import os
import signal
import socket
import subprocess
import time

import harness
import pytest


def test_without_configuration_everything_is_embedded(embedded):
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "one"))
    run = embedded.job("a.jsonl")
    assert run.out.startswith("Pipeline took ")
    assert (embedded.folder / "dataflow.db").is_dir()
    for word in ("files", "lines", "new", "changed", "unchanged", "rejected", "written", "bytes", "rows/s"):
        assert f"\n{word} " in run.out
    keys = ("files", "lines", "new", "changed", "unchanged", "rejected", "written", "bytes", "seconds", "objects_skipped")
    assert all(key in run.report for key in keys)


def test_every_kind_of_local_source(embedded):
    folder = embedded.folder / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text(harness.line(1, "one"))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(harness.line(2, "two").encode()) + gzip.compress(harness.line(3, "three").encode()))
    subprocess.run(["zstd", "-q", "-o", folder / "c.jsonl.zst"], input=harness.line(4, "four").encode(), check=True)
    assert embedded.job(folder).new == 4
    assert embedded.job(str(folder / "*.jsonl"), str(folder / "a.jsonl")).objects_skipped == 1
    assert embedded.job("-", stdin=harness.line(5, "five").encode()).new == 1
    # A folder stands for its files whatever the case of their endings.
    (embedded.folder / "capitals").mkdir()
    (embedded.folder / "capitals" / "D.JSONL.GZ").write_bytes(gzip.compress(harness.line(6, "six").encode()))
    assert embedded.job("capitals").new == 1
    with embedded.service() as address:
        for key in range(1, 7):
            assert harness.get(address, f"/product/{key}")[0] == 200


def test_a_damaged_archive_is_an_error_and_the_rest_is_loaded(embedded):
    whole = gzip.compress("".join(harness.line(k, f"t{k}" * 50) for k in range(5000)).encode())
    (embedded.folder / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (embedded.folder / "b.jsonl").write_text(harness.line(9999, "b"))
    run = embedded.job("a.jsonl.gz", "b.jsonl", code=4)
    assert "a.jsonl.gz" in run.err and "damaged" in run.err
    with embedded.service() as address:
        assert harness.get(address, "/product/9999")[0] == 200


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["-no-such-flag"], "-no-such-flag"),
        (["-concurrency", "0", "x"], "concurrency"),
        (["-config", "missing.conf", "x"], "missing.conf"),
        ([], "SOURCE"),
        (["gs://bucket/x"], "gs://bucket/x"),
        (["-dry-run", "-no-cache", "x"], "-dry-run"),
        (["-provision"], "cassandra"),
    ],
)
def test_wrong_usage_is_explained(embedded, arguments, word):
    run = embedded.job(*arguments, code=2)
    assert word in run.err
    assert run.err.count("\n") <= 3


def test_wrong_configuration_is_located(embedded):
    (embedded.folder / "a.conf").write_text('[cassandra]\nhost = "h"\nprot = 9042\n')
    run = embedded.job("-config", "a.conf", "x", code=2)
    assert "a.conf:3" in run.err and "prot" in run.err and "port" in run.err


def test_a_missing_file_is_a_failed_source(embedded):
    assert "nowhere.jsonl" in embedded.job("nowhere.jsonl", code=4).err


def test_help_and_version(embedded):
    for flag in ("-help", "--help", "-version"):
        process = embedded.start(flag)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and out


def test_dry_run_of_an_empty_store_creates_nothing(embedded):
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "one"))
    assert embedded.job("-dry-run", "a.jsonl").new == 1
    assert sorted(os.listdir(embedded.folder)) == ["a.jsonl", "report.json"]
    embedded.job("a.jsonl")
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "eins") + harness.line(2, "zwei"))
    dry = embedded.job("-dry-run", "a.jsonl")
    assert (dry.new, dry.changed, dry.written) == (1, 1, 0)
    with embedded.service() as address:
        assert json.loads(harness.get(address, "/product/1")[2])["title"] == "one"


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_and_the_next_run_goes_on(embedded, number, code):
    process = embedded.start("-report", "report.json", "-", stdin=subprocess.PIPE)
    process.stdin.write("".join(harness.line(k, f"t{k}") for k in range(100_000)).encode())
    process.stdin.flush()
    # Standard input stays open: the job waits for more when the signal comes.
    with embedded.service() as address:
        harness.wait_for(lambda: harness.get(address, "/product/50000")[0] == 200, "the job has written half")
        process.send_signal(number)
        assert process.wait(timeout=10) == code
        process.stdin.close()
    report = json.loads((embedded.folder / "report.json").read_text())
    text = "".join(harness.line(k, f"t{k}") for k in range(100_000))
    again = embedded.job("-", stdin=text.encode())
    assert again.unchanged == report["written"]
    assert again.new == 100_000 - report["written"]


def test_a_signal_ends_a_job_that_waits_for_its_source(embedded):
    """An endpoint that takes connections and says nothing: the listing waits for it, and would again and again."""
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        embedded.environment.update(
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{endpoint.getsockname()[1]}", AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret"
        )
        process = embedded.start("-report", "report.json", "s3://bucket/a.jsonl")
        endpoint.settimeout(60)
        with endpoint.accept()[0]:
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            out, err = process.communicate(timeout=30)
    # It has 8 s to write what is in flight: nothing is.
    assert time.monotonic() - began < 6 and b"could not be written" not in err, err
    assert process.returncode == 143 and out.startswith(b"Pipeline took "), err
    assert json.loads((embedded.folder / "report.json").read_text())["files"] == 0


def test_max_errors_stops_a_job_that_waits_for_standard_input(embedded):
    process = embedded.start("-max-errors", "1", "-", stdin=subprocess.PIPE)
    try:
        process.stdin.write(harness.line(1, "one").encode() + b"x\ny\n")
        process.stdin.flush()
        assert process.wait(timeout=30) == 3
    finally:
        process.stdin.close()
    with embedded.service() as address:
        assert harness.get(address, "/product/1")[0] == 200


def test_a_folder_does_not_stand_for_what_was_rejected(embedded):
    (embedded.folder / "in").mkdir()
    (embedded.folder / "in" / "a.jsonl").write_text(harness.line(1, "one") + "bad\n")
    for _ in range(2):
        run = embedded.job("-rejects", "in/rejects.jsonl", "in", code=1)
        assert (run.files, run.rejected) == (1, 1)
    assert (embedded.folder / "in" / "rejects.jsonl").read_text() == "bad\n"


def test_a_second_job_is_told_who_holds_the_store(embedded):
    process = embedded.start("-", stdin=subprocess.PIPE)
    try:
        process.stdin.write(harness.line(1, "one").encode())
        process.stdin.flush()
        with embedded.service() as address:
            harness.wait_for(lambda: harness.get(address, "/product/1")[0] == 200, "the service sees what the job writes")
        (embedded.folder / "a.jsonl").write_text(harness.line(2, "two"))
        run = embedded.job("a.jsonl", code=4)
        assert str(process.pid) in run.err
    finally:
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_a_full_disk_for_the_report_is_said(embedded):
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "one"))
    process = embedded.start("-report", "/dev/full/x", "a.jsonl")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4 and b"/dev/full/x" in err

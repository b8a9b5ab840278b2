"""Goal: files that are bombs, endless lines, loops or badly named are loaded, rejected or refused, each in bounded memory and in clear words."""
import gzip
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import threading
import time
import zlib

import harness
import pytest
from bucket import Bucket

LONG = bool(os.environ.get("DATAFLOW_LONG"))
MIB = 1 << 20
# What a job may take at the defaults, and with one line of 16 MiB in its hands.
MEMORY_MIB = 300


def most_memory(pid):
    """The most memory that the process has in its life, in MiB. (The kernel's own figure at its end counts what its
    parent had when it started.)"""
    most = 0
    while True:
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return most
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        if not found:  # it has ended
            return most
        most = int(found.group(1)) / 1024
        time.sleep(0.01)


def run_measured(setup, *arguments, feed=None, code=0):
    """One run of the job; the most memory it had, in MiB. `feed` writes to its standard input."""
    process = setup.start("-report", "report.json", *arguments, stdin=subprocess.PIPE if feed else subprocess.DEVNULL)
    said = {}
    readers = [threading.Thread(target=lambda name=name: said.update({name: getattr(process, name).read().decode()})) for name in ("stdout", "stderr")]
    for reader in readers:
        reader.start()
    most = threading.Thread(target=lambda: said.update(memory=most_memory(process.pid)))
    most.start()
    if feed:
        try:
            feed(process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the job has stopped reading: its exit code says why
    most.join()
    process.wait(timeout=harness.RUN_TIMEOUT_S)
    for reader in readers:
        reader.join()
    assert process.returncode == code, f"exit code {process.returncode} instead of {code}\n{said['stderr'][-2000:]}"
    report = json.loads((setup.folder / "report.json").read_text())
    return harness.Run(process.returncode, said["stdout"], said["stderr"], report), said["memory"]


def gzip_bomb(path, piece, times, end=b""):
    """Writes `piece` so many times, compressed a member at a time: the members of one piece are the same bytes."""
    member = gzip.compress(piece, 9, mtime=0)
    with open(path, "wb") as file:
        for _ in range(times):
            file.write(member)
        if end:
            file.write(gzip.compress(end, mtime=0))
    return os.path.getsize(path)


def zstd_bomb(path, piece, times, end=b""):
    frame = subprocess.run(["zstd", "-q", "-19"], input=piece, stdout=subprocess.PIPE, check=True).stdout
    with open(path, "wb") as file:
        for _ in range(times):
            file.write(frame)
        if end:
            file.write(subprocess.run(["zstd", "-q"], input=end, stdout=subprocess.PIPE, check=True).stdout)
    return os.path.getsize(path)


BOMBS = {".gz": gzip_bomb, ".zst": zstd_bomb}
INFLATED_MIB = 8192 if LONG else 512


@pytest.mark.parametrize("ending", BOMBS)
def test_a_bomb_of_blank_lines_costs_time_and_no_memory(embedded, tell, tried, ending):
    tried("bombs")
    size = BOMBS[ending](embedded.folder / f"a.jsonl{ending}", b"\n" * (16 * MIB), INFLATED_MIB // 16, harness.line(1, "at the end").encode())
    run, memory = run_measured(embedded, f"a.jsonl{ending}")
    tell(f"{ending}: {size} bytes become {INFLATED_MIB} MiB of blank lines: {memory:.0f} MiB, {run.seconds} s")
    assert (run.lines, run.written, run.rejected) == (1, 1, 0)
    assert memory < MEMORY_MIB


@pytest.mark.parametrize("ending", BOMBS)
def test_a_bomb_of_one_line_is_one_rejected_line(embedded, tell, tried, ending):
    tried("bombs")
    inflated = INFLATED_MIB // 2
    size = BOMBS[ending](embedded.folder / f"a.jsonl{ending}", b" " * (16 * MIB), inflated // 16, b"\n" + harness.line(1, "behind it").encode())
    run, memory = run_measured(embedded, f"a.jsonl{ending}", code=1)
    tell(f"{ending}: {size} bytes become one line of {inflated} MiB: {memory:.0f} MiB, {run.seconds} s")
    assert (run.lines, run.written, run.rejected) == (2, 1, 1)
    assert os.path.getsize(embedded.folder / "rejects.jsonl") == inflated * MIB + 1
    assert memory < MEMORY_MIB


@pytest.mark.parametrize("ending", BOMBS)
def test_a_bomb_without_end_meets_the_limit_that_is_named(embedded, tried, ending):
    tried("bombs")
    embedded.environment["DATAFLOW_PIPELINE_MAX_INFLATED_BYTES"] = str(64 * MIB)
    BOMBS[ending](embedded.folder / f"a.jsonl{ending}", b"\n" * (16 * MIB), 16)
    (embedded.folder / "b.jsonl").write_text(harness.line(2, "beside it"))
    run, memory = run_measured(embedded, f"a.jsonl{ending}", "b.jsonl", code=4)
    assert "pipeline.max_inflated_bytes" in run.err and f"a.jsonl{ending}" in run.err and str(64 * MIB) in run.err
    assert run.written == 1 and memory < MEMORY_MIB


def test_rejected_lines_fill_no_disk(embedded, tried):
    tried("bombs")
    embedded.environment["DATAFLOW_PIPELINE_MAX_REJECTS_BYTES"] = str(64 * MIB)
    gzip_bomb(embedded.folder / "a.jsonl.gz", b" " * (16 * MIB), 16)
    run, _ = run_measured(embedded, "a.jsonl.gz", code=4)
    assert "pipeline.max_rejects_bytes" in run.err
    assert not [name for name in os.listdir(embedded.folder) if name.endswith(".part")]


def test_a_zstd_window_over_the_limit_is_refused(embedded, tried):
    tried("windows")
    data = subprocess.run(["zstd", "-q", "--ultra", "-22", "--long=27"], input=random.Random(1).randbytes(1000) * 200_000, stdout=subprocess.PIPE, check=True).stdout
    (embedded.folder / "a.jsonl.zst").write_bytes(data)
    run, memory = run_measured(embedded, "a.jsonl.zst", code=4)
    assert "a.jsonl.zst" in run.err and "memory" in run.err
    assert memory < MEMORY_MIB


def test_a_line_of_four_gibibytes_is_rejected_and_kept(embedded, tell, tried):
    """Shortened, unless long: 256 MiB, with a lower limit of a line."""
    tried("endless lines")
    size = 4096 * MIB if LONG else 256 * MIB
    if not LONG:
        embedded.environment["DATAFLOW_PIPELINE_MAX_LINE_BYTES"] = str(MIB)
    checksum = 0

    def feed(pipe):
        nonlocal checksum
        pipe.write(harness.line(1, "before").encode())
        piece = random.Random(7).randbytes(MIB).replace(b"\n", b"\r")
        for part in (b'{"id": 2, "title": "', *(piece for _ in range(size // MIB)), b'"}\n'):
            checksum = zlib.crc32(part, checksum)
            pipe.write(part)
        pipe.write(harness.line(3, "behind").encode())

    run, memory = run_measured(embedded, "-", feed=feed, code=1)
    tell(f"a line of {size // MIB} MiB: {memory:.0f} MiB, {run.seconds} s")
    assert (run.lines, run.written, run.rejected) == (3, 2, 1)
    assert memory < MEMORY_MIB
    rejects, kept = embedded.folder / "rejects.jsonl", 0
    with open(rejects, "rb") as file:
        while piece := file.read(MIB):
            kept = zlib.crc32(piece, kept)
    assert kept == checksum, "the line is kept as it was"
    reason = json.loads((embedded.folder / "rejects.jsonl.reasons").read_text())
    assert (reason["source"], reason["line"]) == ("-", 2) and "longer" in reason["reason"]
    rejects.unlink()


def test_a_folder_with_links_in_a_loop_is_read_once(embedded, tried):
    top = embedded.folder / "top"
    (top / "a" / "b").mkdir(parents=True)
    links = {"a/b/up": top, "self": ".", "a/twin": top / "a" / "b", "ring1": "ring2", "ring2": "ring1"}
    for name, target in links.items():
        (top / name).symlink_to(target)
        tried("links in loops")
    for number, name in enumerate(("1.jsonl", "a/2.jsonl", "a/b/3.jsonl")):
        (top / name).write_text(harness.line(number, name))
    (top / "again.jsonl").symlink_to("a/b/3.jsonl")
    run = embedded.job(top)
    assert (run.files, run.new) == (4, 3)
    assert embedded.job(f"{top}/**/*.jsonl").files == 4
    # The pattern's folders are walked once, however many stars there are.
    assert embedded.job(f"{top}/**/**/**/**/**/**/**/**/*.jsonl").files == 4
    (top / "ring.jsonl").symlink_to("ring.jsonl")
    tried("links in loops")
    assert "ring.jsonl" in embedded.job(top, code=4).err


def test_a_deep_tree_and_many_stars_take_no_long_time(embedded, tried):
    tried("patterns")
    deepest = embedded.folder / "top" / pathlib.Path(*["d"] * 150)
    deepest.mkdir(parents=True)
    (deepest / "a.jsonl").write_text(harness.line(1, "deep"))
    assert embedded.job(f"{embedded.folder}/top/**/d/**/d/**/d/**/*.jsonl").new == 1


NAMES = (
    "new\nline.jsonl", "tab\t.jsonl", "carriage\r.jsonl", "escape\x1b[31m.jsonl", "bell\x07.jsonl", 'quote".jsonl', "apostrophe'.jsonl", "back\\slash.jsonl",
    "star*.jsonl", "question?.jsonl", "[bracket].jsonl", "{brace}.jsonl", "$(id).jsonl", "`id`.jsonl", " space .jsonl", "-dash.jsonl", "--.jsonl", "~.jsonl", "#.jsonl",
    "%2e.jsonl", "%n.jsonl", "{}.jsonl", "a;b&c|d<e>f.jsonl", "größe漢字😀.jsonl", "x" * 249 + ".jsonl", b"\xff\xfe.jsonl".decode("utf-8", "surrogateescape"), "\x7f.jsonl",
)


def test_files_of_any_name_are_loaded(embedded, tried):
    tried("names", len(NAMES))
    folder = embedded.folder / "in"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_text(harness.line(number, "t") + f"bad {number}\n")
    run = embedded.job(folder, code=1)
    assert (run.files, run.new, run.rejected) == (len(NAMES), len(NAMES), len(NAMES))
    reasons = [json.loads(line) for line in (embedded.folder / "rejects.jsonl.reasons").read_text().splitlines()]
    wanted = {os.fsencode(folder / name).decode(errors="replace") for name in NAMES}
    assert {reason["source"] for reason in reasons} == wanted
    # Each by its own name, which is no pattern where the file is there.
    again = embedded.job(*(folder / name for name in NAMES), code=1)
    assert (again.files, again.unchanged) == (len(NAMES), len(NAMES))


def test_names_forge_no_lines_of_the_log(embedded, tried):
    for name in NAMES:
        tried("names")
        run = embedded.job(f"missing/{name}", code=4)
        lines = run.err.strip("\n").split("\n")
        assert all(re.match(r"\d{4}-\d\d-\d\dT[0-9:.]+Z (info|warning|error) ", line) for line in lines), run.err
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", run.err), run.err


@pytest.fixture
def bucket(tmp_path):
    """The job with the embedded store, and a bucket of its own on the real S3 server."""
    setup = Bucket(tmp_path)
    yield setup
    setup.close()


def test_s3_keys_of_every_legal_character(bucket, tell, tried):
    characters = [chr(code) for code in range(1, 0x80)] + list("äß漢😀\u0080\u0085\u2028\ufeff\uffff")
    # The server keeps objects as files and so refuses a few keys that S3 takes: those are named.
    keys, refused = [], []
    for number, character in enumerate(characters):
        key = f"in/{number:03}-{character}-.jsonl"
        try:
            bucket.put(key, harness.line(number, "t"))
            keys.append(key)
            tried("keys")
        except Exception as error:  # whatever the client makes of it
            refused.append((key, str(error)[:60]))
    tell(f"{len(keys)} keys, refused by the server: {[key for key, _ in refused]}")
    assert len(keys) >= len(characters) - 3, refused
    run = bucket.job(f"s3://{bucket.bucket}/in/")
    assert (run.files, run.new) == (len(keys), len(keys))
    again = bucket.job(*(f"s3://{bucket.bucket}/{key}" for key in keys))
    assert again.objects_skipped == len(keys), "each by its own name"
    listed = bucket.job(f"s3://{bucket.bucket}/in/0*-*.jsonl")
    assert listed.objects_skipped == sum(key.startswith("in/0") and "/" not in key[3:] for key in keys)


def test_s3_keys_of_odd_shapes(bucket, tried):
    shapes = ("a b+c%20d%2Fe.jsonl", "deep/" * 50 + "x.jsonl", "é" * 100 + ".jsonl", ".hidden.jsonl", "...jsonl", "UPPER.JSONL", "in*side?[x].jsonl", "q?a=b&c#d.jsonl")
    for number, key in enumerate(shapes):
        bucket.put(key, harness.line(number, "t"))
        tried("keys")
    run = bucket.job(*(f"s3://{bucket.bucket}/{key}" for key in shapes))
    assert (run.files, run.new) == (len(shapes), len(shapes))
    for wrong in ("a/../b.jsonl", "./b.jsonl", "a/./b.jsonl"):
        tried("keys")
        assert wrong in bucket.job(f"s3://{bucket.bucket}/{wrong}", code=4).err

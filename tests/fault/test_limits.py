"""Goal: few descriptors and little memory are borne by the job or told."""
import resource
import subprocess

import harness
import pytest
from faults import length, limited, served_table, write_files

MIB = 1 << 20
DATA_MIB = (64, 96, 128, 256, 512)  # of RLIMIT_DATA: heap, private mappings, the threads' stacks
END_S = 60  # for a run that is soon over one way or the other


def under_a_limit(setup, figures, *arguments, **popen):
    """Exit code and log of a run that may not end by a signal, nor in any way but done or told."""
    process = setup.start(*arguments, stdin=subprocess.DEVNULL, **popen)
    try:
        _, err = process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"the job hangs: {process.communicate()[1].decode()}") from None
    figures.runs += 1
    figures.fault()
    return process.returncode, err.decode()


def names_the_limit(err):
    """The words of a job that has too little memory or too few threads."""
    return "error: the job cannot go on" in err and "ulimit -a" in err


def check_next_run(setup, figures, source, expected):
    """Without the limit the rest is loaded, and nothing was lost or made up."""
    figures.run(setup.job(source))
    with setup.service() as address:
        figures.compare(served_table(address, expected), expected)
    assert figures.run(setup.job(source)).written == 0


def test_few_open_files_embedded(embedded, rng, figures):
    texts = harness.catalogue(2_000, files=50, seed=rng.randrange(1000))
    source, expected = write_files(embedded, texts), harness.rows_of(*texts)
    enough = 0
    for number in length((8, 16, 32, 64, 192), range(6, 200, 6)):
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = f"store-{number}"
        code, err = under_a_limit(embedded, figures, source, **limited(resource.RLIMIT_NOFILE, number))
        assert code in (0, 4), (number, code, err)
        assert code == 0 or "ulimit -n" in err, (number, err)
        enough = enough or (number if code == 0 else 0)
        check_next_run(embedded, figures, source, expected)
        # A store that is there already is opened by another way.
        code, err = under_a_limit(embedded, figures, "-no-cache", source, **limited(resource.RLIMIT_NOFILE, number))
        assert code in (0, 4), (number, code, err)
        assert code == 0 or "ulimit -n" in err, (number, err)
        check_next_run(embedded, figures, source, expected)
    assert 0 < enough, "192 descriptors have to do"
    figures.most("descriptors that do", enough)


def test_few_open_files_servers(servers, rng, figures):
    texts = harness.catalogue(2_000, files=10, seed=rng.randrange(1000))
    servers.put(texts)
    enough = 0
    for number in length((12, 20, 40, 96), range(6, 100, 6)):
        servers.truncate()
        code, err = under_a_limit(servers, figures, **limited(resource.RLIMIT_NOFILE, number))
        assert code in (0, 4), (number, code, err)
        assert code == 0 or "ulimit -n" in err, (number, err)
        enough = enough or (number if code == 0 else 0)
        figures.run(servers.job())
        figures.compare(servers.table(), harness.rows_of(*texts))
        assert figures.run(servers.job()).written == 0
    assert 0 < enough, "96 descriptors have to do"
    figures.most("descriptors that do", enough)


def test_little_memory(embedded, rng, figures):
    """Where it does not do, the run ends with a code and words, and what it had stored is whole."""
    texts = harness.catalogue(20_000, seed=rng.randrange(1000))
    source, expected = write_files(embedded, texts), harness.rows_of(*texts)
    enough = 0
    for mib in DATA_MIB:
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = f"store-{mib}"
        code, err = under_a_limit(embedded, figures, source, **limited(resource.RLIMIT_DATA, mib * MIB))
        assert code in (0, 4), (mib, code, err)
        assert code == 0 or names_the_limit(err), (mib, err)
        enough = enough or (mib if code == 0 else 0)
        check_next_run(embedded, figures, source, expected)
    assert 0 < enough
    figures.most("MiB that do", enough)


@pytest.mark.parametrize("store", ["embedded", "servers"])
def test_too_little_memory(embedded, servers, rng, figures, store):
    """Down to where not even the first threads can be started: done or told, never waited for what cannot come."""
    texts = harness.catalogue(20_000, seed=rng.randrange(1000))
    setup, arguments = servers, ["-no-cache"]
    if store == "embedded":
        setup, arguments = embedded, ["-no-cache", write_files(embedded, texts)]
    else:
        servers.put(texts)
    setup.environment["RUST_BACKTRACE"] = "1"  # wants memory where there is none
    enough = 0
    for mib in range(8, 129, length(8, 2)):
        code, err = under_a_limit(setup, figures, *arguments, **limited(resource.RLIMIT_DATA, mib * MIB))
        assert code in (0, 4), (mib, code, err)
        assert code == 0 or names_the_limit(err), (mib, err)
        enough = enough or (mib if code == 0 else 0)
    assert 0 < enough, "128 MiB have to do"
    figures.most("MiB that do", enough)
    if store == "embedded":
        check_next_run(embedded, figures, arguments[1], harness.rows_of(*texts))
    else:
        figures.run(servers.job())
        figures.compare(servers.table(), harness.rows_of(*texts))
        assert figures.run(servers.job()).written == 0

"""Goal: a table that was emptied, made anew or replaced is filled again, whatever the cache says; a run during which it
happens says so."""
import contextlib

import harness
import proxy
from faults import length
from own_cassandra import OwnCassandra

ROWS = 10_000


def truncate(servers):
    servers.truncate()


def drop_table(servers):
    servers.session.execute(f"DROP TABLE {servers.name}.products", timeout=120)


def drop_and_create_table(servers):
    drop_table(servers)
    servers.provision()


def drop_and_create_keyspace(servers):
    servers.session.execute(f"DROP KEYSPACE {servers.name}", timeout=120)
    servers.provision()


WAYS = (truncate, drop_and_create_table, drop_and_create_keyspace)


def load_twice(servers, figures, texts):
    """The whole table is written once, and then nothing."""
    run = figures.run(servers.job())
    assert run.written == ROWS
    figures.compare(servers.table(), harness.rows_of(*texts))
    assert figures.run(servers.job()).written == 0


def test_emptied_between_runs(servers, rng, figures):
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    servers.put(texts)
    load_twice(servers, figures, texts)
    for way in rng.sample(WAYS, 3) * length(1, 4):
        way(servers)
        figures.fault()
        load_twice(servers, figures, texts)


def fill_the_pipe(servers, texts):
    """A job that has stored the first half of its standard input and waits for the rest."""
    process = servers.start("-", stdin=harness.subprocess.PIPE)
    half = "".join(texts[: len(texts) // 2])
    process.stdin.write(half.encode())
    process.stdin.flush()
    expected = harness.rows_of(half)

    def stored():
        table = servers.table()
        return all(table.get(key) == row for key, row in expected.items())

    harness.wait_for(stored, "the first half is stored")
    return process


def end(process, texts, figures):
    out, err = process.communicate("".join(texts[len(texts) // 2 :]).encode(), timeout=harness.RUN_TIMEOUT_S)
    figures.runs += 1
    return process.returncode, out.decode() + err.decode()


def test_emptied_during_a_run(servers, rng, figures):
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    servers.put(texts)
    for way in rng.sample(WAYS, 3) * length(1, 5):
        servers.truncate()
        process = fill_the_pipe(servers, texts)
        way(servers)
        figures.fault()
        code, said = end(process, texts, figures)
        assert code == 4 and ("run the job again" in said or "provision.sh" in said), (way.__name__, code, said)
        figures.run(servers.job())
        figures.compare(servers.table(), expected)
        assert figures.run(servers.job()).written == 0


def test_dropped_during_a_run(servers, rng, figures):
    """What is not there any more is named, with the remedy; the run does not go on for ever."""
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    servers.put(texts)
    process = fill_the_pipe(servers, texts)
    drop_table(servers)
    figures.fault()
    code, said = end(process, texts, figures)
    assert code == 4 and "provision.sh" in said, said
    servers.provision()
    load_twice(servers, figures, texts)


def test_another_cluster_at_the_same_address(servers, tmp_path, rng, figures):
    """Two real clusters behind one address: between runs, while a run waits for more of its input, and back again."""
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    servers.put(texts)
    with contextlib.ExitStack() as stack:
        other = OwnCassandra(tmp_path)
        stack.callback(other.stop)
        cluster = stack.enter_context(other.connect())
        ports = [int(servers.environment["DATAFLOW_CASSANDRA_PORT"]), int(other.port)]
        sessions = [servers.session, cluster.connect()]
        stack.callback(setattr, servers, "session", servers.session)
        between = proxy.TcpProxy(("127.0.0.1", ports[0]))
        stack.callback(between.close)
        servers.environment["DATAFLOW_CASSANDRA_PORT"] = str(between.address[1])

        def switch_to(which):
            between.upstream = ("127.0.0.1", ports[which])
            between.cut()
            servers.session = sessions[which]
            figures.fault()

        load_twice(servers, figures, texts)
        switch_to(1)
        assert "provision.sh" in figures.run(servers.job(code=2)).err
        servers.provision()
        load_twice(servers, figures, texts)
        for number in range(1, length(3, 12)):
            # Rows that neither has, so that there is something to write to both.
            texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
            expected = harness.rows_of(*texts)
            process = fill_the_pipe(servers, texts)
            switch_to((number + 1) % 2)
            code, said = end(process, texts, figures)
            assert code == 4 and "run the job again" in said, (code, said)
            servers.put(texts)
            figures.run(servers.job())
            figures.compare(servers.table(), expected)
            assert figures.run(servers.job()).written == 0

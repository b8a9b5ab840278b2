"""Goal: with TLS and a login everything works end to end on real servers, and without the right ones nothing does: each
refusal is a sentence that names what is wrong and what to set, with the right exit code. A cache that cannot be trusted
costs writes only."""
import json
import uuid

import figures
import harness
import pytest
import relay
import secure

ROWS = 2_000


@pytest.fixture
def everything(tls_servers, accounts, secrets, tmp_path):
    """The programs on the servers with TLS, logged in as roles of their own; a keyspace and a bucket of the test's own."""
    name = "tls_" + uuid.uuid4().hex[:12]
    bucket = name.replace("_", "-")
    environment = {
        **tls_servers.environment,
        "AWS_S3_BUCKET": bucket,
        "DATAFLOW_CASSANDRA_KEYSPACE": name,
        "DATAFLOW_CASSANDRA_USER": "loader",
        "DATAFLOW_CASSANDRA_PASS_FILE": str(accounts["cassandra_file"]),
        "DATAFLOW_REDIS_USER": "loader",
        "DATAFLOW_REDIS_PASS_FILE": str(accounts["redis_file"]),
    }
    setup = secure.Watched(tmp_path, environment, secrets)
    setup.name, setup.bucket = name, bucket
    return setup


def only_cassandra(everything):
    """The same without Redis and S3: a case then fails by Cassandra alone, and at once."""
    for key in [key for key in everything.environment if key.startswith(("DATAFLOW_REDIS", "DATAFLOW_S3", "AWS_"))]:
        del everything.environment[key]
    everything.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = "0"
    return everything


def provision(setup):
    process = setup.start("-provision")
    out, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    setup.secrets.check(out + err, "the output of job -provision")
    assert process.returncode == 0, err.decode()


def test_everything_works_with_the_right_certificates_and_logins(everything, tls_servers):
    provision(everything)
    texts = harness.catalogue(ROWS, files=2)
    s3 = tls_servers.s3()
    s3.create_bucket(Bucket=everything.bucket)
    for number, text in enumerate(texts, 1):
        s3.put_object(Bucket=everything.bucket, Key=f"products-{number}.jsonl", Body=text.encode())
    run = everything.job()
    assert run.written == ROWS and "warning" not in run.err and "error" not in run.err, run.err
    with tls_servers.cassandra() as session:
        rows = session.execute(f"SELECT * FROM {everything.name}.products")
        table = {row["id"]: {column: row[column] for column in harness.COLUMNS} for row in rows}
    expected = harness.rows_of(*texts)
    figures.tell(f"tls: rows compared: {len(expected)}, differences: {len(harness.differences(table, expected))}")
    harness.assert_same_table(table, expected)
    again = everything.job()
    assert again.objects_skipped == 2 and "warning" not in again.err, again.err
    ca = tls_servers.certificates / "ca.pem"
    everything.environment["DATAFLOW_HTTP_CERT_FILE"] = str(tls_servers.certificates / "server.pem")
    everything.environment["DATAFLOW_HTTP_KEY_FILE"] = str(tls_servers.certificates / "server.key")
    with everything.microservice() as service:
        for key in list(expected)[:100]:
            status, body = service.get(f"/product/{key}", ca)
            assert status == 200 and json.loads(body) == expected[key]


def test_the_least_rights_are_enough_and_fewer_are_not(everything, tls_servers, accounts):
    """As SECURITY.md says: the job reads and modifies its keyspace, the service reads it."""
    provision(everything)
    (everything.folder / "a.jsonl").write_text(harness.line(1, "one"))
    quoted = accounts["cassandra"].replace("'", "''")
    rights = {"writer": ("SELECT", "MODIFY"), "reader": ("SELECT",), "stranger": ()}
    with tls_servers.cassandra() as session:
        for role, granted in rights.items():
            session.execute(f"CREATE ROLE IF NOT EXISTS {role}_{everything.name} WITH LOGIN = true AND PASSWORD = '{quoted}'")
            for right in granted:
                session.execute(f"GRANT {right} ON KEYSPACE {everything.name} TO {role}_{everything.name}")

    def become(role):
        everything.environment["DATAFLOW_CASSANDRA_USER"] = f"{role}_{everything.name}"

    become("reader")
    run = everything.job("a.jsonl", code=4)
    assert "does not allow this" in run.err, run.err
    become("writer")
    run = everything.job("a.jsonl")
    assert run.written == 1 and "warning" not in run.err, run.err
    become("reader")
    with everything.microservice() as service:
        assert service.get("/product/1")[0] == 200
    become("stranger")
    with everything.microservice() as service:
        assert service.get("/product/1")[0] == 503
        service.logged("does not allow this")


def cassandra_cases():
    """What is wrong, the settings that make it so, the exit code, and words of the sentence."""
    def show(name):
        return {"CERT_FILE": f"{{certificates}}/{name}.pem", "KEY_FILE": f"{{certificates}}/{name}.key"}

    nothing = {"CERT_FILE": "", "KEY_FILE": ""}
    return {
        "wrong CA": ({"CA_FILE": "{certificates}/other-ca.pem"}, 4, "not signed by the authority in cassandra.ca_file"),
        "CA of the system": ({"CA_FILE": ""}, 4, "set cassandra.ca_file to its authority's certificate"),
        "no client certificate": (nothing, 4, "asks for a client certificate: set cassandra.cert_file and cassandra.key_file"),
        # Cassandra's alert is internal_error, which may as well be trouble of its own.
        "client certificate of another CA": (show("foreign-client"), 4, "cassandra.cert_file is signed by an authority it knows"),
        "expired client certificate": (show("expired-client"), 4, "which has expired: have it renewed"),
        "no TLS": ({"TLS": "false", "CA_FILE": "", **nothing}, 4, "if it wants TLS, set cassandra.tls = true"),
        "wrong password": ({"PASS_FILE": "", "PASS": "not the right one"}, 4, 'refuses the login of "loader": check user and password'),
        "unknown user": ({"USER": "nobody"}, 4, 'refuses the login of "nobody"'),
        "no login": ({"USER": "", "PASS_FILE": ""}, 4, "asks for a login: configure user and password"),
        "key of another certificate": ({"KEY_FILE": "{certificates}/server.key"}, 2, "is not the key of cassandra.cert_file"),
        "certificate without key": ({"KEY_FILE": ""}, 2, "belong together: set both, or neither"),
        "missing CA file": ({"CA_FILE": "/no/such/ca.pem"}, 2, 'cassandra.ca_file "/no/such/ca.pem" cannot be read'),
        "a CA file that is none": ({"CA_FILE": "{certificates}/pass"}, 2, "has no certificate in PEM"),
        "files without TLS": ({"TLS": "false"}, 2, "set cassandra.tls = true"),
        "missing password file": ({"PASS_FILE": "/no/such/pass"}, 2, 'cassandra.pass_file "/no/such/pass" cannot be read'),
    }


@pytest.mark.parametrize("case", cassandra_cases())
def test_cassandra_lets_nobody_else_in(everything, tls_servers, secrets, case):
    settings, code, words = cassandra_cases()[case]
    only_cassandra(everything)
    secrets.add("not the right one")
    for key, value in settings.items():
        everything.environment[f"DATAFLOW_CASSANDRA_{key}"] = value.format(certificates=tls_servers.certificates)
    (everything.folder / "a.jsonl").write_text(harness.line(1, "one"))
    run = everything.job("a.jsonl", code=code)
    assert words in run.err, run.err
    assert len(run.err.splitlines()) == 1, run.err
    if code == 4:
        with everything.microservice() as service:
            assert service.get("/product/1")[0] == 503
            service.logged(words)


def test_a_node_under_another_name_is_not_believed(everything, tls_servers):
    provision(everything)
    only_cassandra(everything)
    (everything.folder / "a.jsonl").write_text(harness.line(1, "one"))
    port = tls_servers.cassandra_port  # the relay's as well: the node says its address, and the port is taken to be the same
    with relay.relay(("127.0.0.1", port), host="127.0.0.4", port=port):
        everything.environment.update(DATAFLOW_CASSANDRA_HOST="127.0.0.4", DATAFLOW_CASSANDRA_PORT=str(port))
        run = everything.job("a.jsonl", code=4)
        assert "its certificate is for another name" in run.err and "set cassandra.tls_name" in run.err, run.err
        # A name that the certificate does carry is one that was meant.
        everything.environment["DATAFLOW_CASSANDRA_TLS_NAME"] = "localhost"
        assert everything.job("-no-cache", "a.jsonl", code=0).written == 1
        everything.environment["DATAFLOW_CASSANDRA_TLS_NAME"] = "not.localhost"
        assert "its certificate is for another name" in everything.job("a.jsonl", code=4).err


# A certificate of the server, whether it asks for one of the client, settings, and words of the warning (none: it works).
REDIS_CASES = {
    "all is right": ("server", "yes", {}, ""),
    "no client certificate is asked for": ("server", "no", {"CERT_FILE": "", "KEY_FILE": ""}, ""),
    "wrong CA": ("server", "no", {"CA_FILE": "{certificates}/other-ca.pem"}, "not signed by the authority in redis.ca_file"),
    "CA of the system": ("server", "no", {"CA_FILE": ""}, "set redis.ca_file to its authority's certificate"),
    "wrong name": ("wrong-name", "no", {}, "its certificate is for another name: name the server in redis.addr as its certificate does"),
    "expired": ("expired", "no", {}, "its certificate has expired: have it renewed"),
    "not valid yet": ("early", "no", {}, "its certificate is not valid yet"),
    "signed by another CA": ("foreign", "no", {}, "not signed by the authority in redis.ca_file"),
    "no client certificate": ("server", "yes", {"CERT_FILE": "", "KEY_FILE": ""}, "set redis.cert_file and redis.key_file"),
    "client certificate of another CA": (
        "server", "yes",
        {"CERT_FILE": "{certificates}/foreign-client.pem", "KEY_FILE": "{certificates}/foreign-client.key"},
        "redis.cert_file",
    ),
    "no TLS": ("server", "no", {"TLS": "false", "CA_FILE": "", "CERT_FILE": "", "KEY_FILE": ""}, "if it wants TLS, set redis.tls = true"),
    "wrong password": ("server", "no", {"PASS": "not the right one"}, "refused the credentials: correct redis.user and redis.pass"),
    "unknown user": ("server", "no", {"USER": "nobody"}, "refused the credentials"),
    "no login": ("server", "no", {"USER": "", "PASS": ""}, "refused the credentials"),
    "missing key file": ("server", "no", {"KEY_FILE": "/no/such/key"}, 'redis.key_file "/no/such/key" cannot be read'),
}


@pytest.mark.parametrize("case", REDIS_CASES)
def test_redis_in_doubt_is_not_asked_and_the_rows_are_stored(embedded, certificates, secrets, tmp_path_factory, case):
    certificate, clients, settings, words = REDIS_CASES[case]
    password = f"redis-{uuid.uuid4().hex}"
    secrets.add(password)
    secrets.add("not the right one")
    redis = secure.OwnRedis(tmp_path_factory.mktemp("redis"), certificates, certificate, clients, password)
    values = {
        "ADDR": f"127.0.0.1:{redis.port}", "TLS": "true", "CA_FILE": "{certificates}/ca.pem", "USER": "loader", "PASS": password,
        "CERT_FILE": "{certificates}/client.pem", "KEY_FILE": "{certificates}/client.key", **settings,
    }
    for key, value in values.items():
        embedded.environment[f"DATAFLOW_REDIS_{key}"] = value.format(certificates=certificates)
    (embedded.folder / "a.jsonl").write_text("".join(harness.line(key, f"t{key}") for key in range(100)))
    try:
        run = embedded.job("a.jsonl")
        assert run.written == 100
        again = embedded.job("a.jsonl")
    finally:
        redis.stop()
    if words:
        assert words in run.err and "the cache failed" in run.err, run.err
        assert again.written == 100
    else:
        assert "warning" not in run.err and again.objects_skipped == 1, run.err


def test_redis_files_without_tls_are_a_mistake_in_the_configuration(embedded, certificates):
    embedded.environment.update(
        DATAFLOW_REDIS_ADDR="127.0.0.1:1", DATAFLOW_REDIS_TLS="false", DATAFLOW_REDIS_CA_FILE=f"{certificates}/ca.pem"
    )
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "one"))
    assert "set redis.tls = true" in embedded.job("a.jsonl", code=2).err
    assert embedded.job("-no-cache", "a.jsonl").written == 1, "nothing is asked of a cache that is not used"


# The certificate that the endpoint shows, the authority of the client certificates that it asks for, settings, words.
S3_CASES = {
    "client certificate": ("server", "ca", {}, ""),
    "no client certificate is asked for": ("server", None, {"CERT_FILE": "", "KEY_FILE": ""}, ""),
    "wrong CA": ("server", None, {"CA_FILE": "{certificates}/other-ca.pem"}, "not signed by the authority in s3.ca_file"),
    "CA of the system": ("server", None, {"CA_FILE": ""}, "set s3.ca_file to its authority's certificate"),
    "CA of the system, and no client certificate": (
        "server", None, {"CA_FILE": "", "CERT_FILE": "", "KEY_FILE": ""}, "set s3.ca_file to its authority's certificate"
    ),
    "wrong name": ("wrong-name", None, {}, "its certificate is for another name: name the endpoint (s3.endpoint) as its certificate does"),
    "expired": ("expired", None, {}, "its certificate has expired: have it renewed"),
    "not valid yet": ("early", None, {}, "its certificate is not valid yet"),
    "signed by another CA": ("foreign", None, {}, "not signed by the authority in s3.ca_file"),
    "no client certificate": ("server", "ca", {"CERT_FILE": "", "KEY_FILE": ""}, "set s3.cert_file and s3.key_file"),
    "client certificate of another CA": (
        "server", "ca",
        {"CERT_FILE": "{certificates}/foreign-client.pem", "KEY_FILE": "{certificates}/foreign-client.key"},
        "refuses the client certificate s3.cert_file",
    ),
}


@pytest.mark.parametrize("case", S3_CASES)
def test_an_s3_endpoint_is_verified_and_may_ask_who_we_are(embedded, tls_servers, case):
    certificate, asks, settings, words = S3_CASES[case]
    bucket = "tls-" + uuid.uuid4().hex[:12]
    s3 = tls_servers.s3()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="products-1.jsonl", Body=harness.line(1, "one").encode())
    # s3proxy cannot ask for client certificates: a relay ends TLS in front of it and begins anew behind.
    context = relay.server_context(tls_servers.certificates, certificate, asks)
    with relay.relay(("127.0.0.1", tls_servers.s3_port), context=context, onward=tls_servers.context()) as port:
        values = {"CA_FILE": "{certificates}/ca.pem", "CERT_FILE": "{certificates}/client.pem", "KEY_FILE": "{certificates}/client.key", **settings}
        for key, value in values.items():
            embedded.environment[f"DATAFLOW_S3_{key}"] = value.format(certificates=tls_servers.certificates)
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_REGION"):
            embedded.environment[key] = tls_servers.environment[key]
        embedded.environment["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{port}"
        run = embedded.job(f"s3://{bucket}/", code=4 if words else 0)
    assert words in run.err, run.err
    if words:
        assert run.err.count("\n") == 1 and "tried" not in run.err, "what does not get better is tried once: " + run.err
    else:
        assert run.written == 1


def test_verification_cannot_be_switched_off(embedded):
    embedded.environment.update(
        AWS_ALLOW_INVALID_CERTIFICATES="true", AWS_ENDPOINT_URL="https://127.0.0.1:1", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s"
    )
    run = embedded.job("s3://bucket/", code=4)
    assert "AWS_ALLOW_INVALID_CERTIFICATES is not supported: set s3.ca_file" in run.err


# The last ones: they start the node again.
def test_cassandra_with_a_ca_file_alone_where_it_asks_for_no_client_certificate(everything, tls_servers):
    tls_servers.restart_cassandra("server", client_auth=False)
    for key in ("CERT_FILE", "KEY_FILE"):
        everything.environment[f"DATAFLOW_CASSANDRA_{key}"] = ""
    provision(everything)
    only_cassandra(everything)
    (everything.folder / "a.jsonl").write_text(harness.line(1, "one"))
    assert everything.job("-no-cache", "a.jsonl").written == 1


def test_an_expired_node_is_not_believed(everything, tls_servers):
    tls_servers.restart_cassandra("expired", client_auth=False)
    only_cassandra(everything)
    (everything.folder / "a.jsonl").write_text(harness.line(1, "one"))
    run = everything.job("a.jsonl", code=4)
    assert "no TLS with Cassandra (127.0.0.1): its certificate has expired: have it renewed" in run.err, run.err

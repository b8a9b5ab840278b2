"""What the tests of TLS, logins and secrets share: certificates, servers that let nobody in without, and the watch."""
import os
import pathlib
import secrets as random
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "e2e")]
import figures  # noqa: E402
import secure  # noqa: E402


def pytest_terminal_summary(terminalreporter):
    figures.tell(f"tls: {len(terminalreporter.stats.get('passed', []))} tests passed")
    figures.tell_skipped(terminalreporter)


@pytest.fixture(scope="session")
def secrets():
    """Every secret that a test of this session uses."""
    found = secure.Secrets()
    yield found
    figures.tell(f"tls: secrets: {len(found.values)} looked for in {found.texts} texts, {found.bytes} bytes")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory, secrets):
    folder = tmp_path_factory.mktemp("certificates")
    secure.run_script(secure.ROOT / "scripts" / "certificates.sh", folder)
    for name in ("server", "client", "foreign-client"):
        secrets.add_key(folder / f"{name}.key")
    return folder


@pytest.fixture
def embedded(tmp_path, secrets):
    """The programs with everything embedded, under watch."""
    return secure.Watched(tmp_path, {}, secrets)


@pytest.fixture(scope="session")
def tls_servers(secrets):
    """Cassandra, Redis and S3 that let nobody in without TLS and a login, for the whole session."""
    servers = secure.TlsServers(pathlib.Path(os.environ["DATAFLOW_BIN_DIR"]) / "tls-servers")
    try:
        for name in ("client", "foreign-client", "expired-client"):
            secrets.add_key(servers.certificates / f"{name}.key")
        secrets.add(servers.environment["AWS_SECRET_ACCESS_KEY"])
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def accounts(tls_servers, secrets, tmp_path_factory):
    """A role of Cassandra and a user of Redis that may do what the programs need, and files with their passwords."""
    folder = tmp_path_factory.mktemp("passwords")
    made = {}
    for service in ("cassandra", "redis"):
        # With what has to be quoted somewhere, and in more than ASCII.
        made[service] = f"{random.token_hex(8)}'\"\\%s ü€{random.token_hex(4)}"
        secrets.add(made[service])
        secrets.add(made[service][:16])
        made[service + "_file"] = folder / service
        made[service + "_file"].write_text(made[service] + "\n")
        made[service + "_file"].chmod(0o600)
    quoted = made["cassandra"].replace("'", "''")
    with tls_servers.cassandra() as session:
        session.execute("CREATE ROLE IF NOT EXISTS loader WITH LOGIN = true")
        session.execute(f"ALTER ROLE loader WITH PASSWORD = '{quoted}'")
        session.execute("GRANT ALL PERMISSIONS ON ALL KEYSPACES TO loader")
    with tls_servers.redis() as redis:
        redis.execute_command("ACL", "SETUSER", "loader", "reset", "on", f">{made['redis']}", *secure.REDIS_RIGHTS.split())
    return made

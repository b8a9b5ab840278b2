"""Goal: scripts/provision.sh creates what the job expects, again and again, by cqlsh or by the job, with the login and the TLS that
are configured."""
import os
import pathlib
import subprocess
import uuid

import harness
import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "provision.sh"
# Notes what it is told. Its help is what the script asks for.
CQLSH = """#!/bin/sh
if [ "$1" = --help ]; then echo "--credentials=CREDENTIALS"; exit; fi
here=$(dirname "$0")
printf '%s\\n' "$@" >"$here/arguments"
for word; do case $word in --credentials=*) cp "${word#*=}" "$here/credentials" ;; esac; done
cat >"$here/statements"
"""


def provision(folder, *arguments, environment=None, code=0):
    """Runs the script; what it said. Without a cqlsh but that of the folder."""
    bare = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "DATAFLOW_BIN_DIR": os.environ["DATAFLOW_BIN_DIR"]}
    bare |= {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    done = subprocess.run(
        [SCRIPT, *arguments], cwd=folder, env={**bare, **(environment or {})}, capture_output=True, text=True, timeout=harness.RUN_TIMEOUT_S
    )
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture
def cqlsh(folder):
    path = folder / "cqlsh"
    path.write_text(CQLSH)
    path.chmod(0o755)
    return path


def test_by_the_job_and_again(folder, servers):
    name = "e2e_" + uuid.uuid4().hex[:12]
    at = {key: servers.environment[key] for key in ("DATAFLOW_CASSANDRA_HOST", "DATAFLOW_CASSANDRA_PORT")}
    try:
        for _ in range(2):
            assert f"Keyspace {name}" in provision(folder, "--keyspace", name, environment=at)
        tables = servers.session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [name])
        assert {row["table_name"] for row in tables} == {"products", "cache_epoch"}
        servers.environment["DATAFLOW_CASSANDRA_KEYSPACE"] = name
        servers.put([harness.line(1, "one")])
        assert servers.job().written == 1, "the job finds what it expects"
    finally:
        servers.session.execute(f"DROP KEYSPACE IF EXISTS {name}")


def test_cqlsh_logs_in_with_what_is_configured(folder, cqlsh):
    (folder / "pass").write_text("from the file\n")
    (folder / "a.conf").write_text('[cassandra]\nhost = ["h.example", "other"]\nuser = "loader"\npass_file = "pass"\n')
    provision(folder, "--config", "a.conf", "--keyspace", "shop")
    assert (folder / "arguments").read_text().split()[-3:] == ["--no-color", "h.example", "9042"]
    assert "username = loader\npassword = from the file\n" in (folder / "credentials").read_text()
    assert "CREATE TABLE IF NOT EXISTS shop.products" in (folder / "statements").read_text()
    provision(folder, "--config", "a.conf", environment={"DATAFLOW_CASSANDRA_PASS": "from the environment"})
    assert "password = from the environment\n" in (folder / "credentials").read_text(), "the environment counts before the file"
    (folder / "pass").unlink()
    assert "cassandra.pass_file" in provision(folder, "--config", "a.conf", code=2)


def test_a_password_never_goes_out_in_the_clear_where_tls_is_configured(folder, cqlsh):
    """cqlsh is not told of TLS: the job does it, which reads all settings of it."""
    (folder / "a.conf").write_text('[cassandra]\nhost = "127.0.0.1"\nport = 1\ntls = true\nuser = "loader"\npass = "hush"\n')
    said = provision(folder, "--config", "a.conf", code=1)
    assert "could not create keyspace and tables on 127.0.0.1:1" in said, said
    assert "hush" not in said and not (folder / "arguments").exists()

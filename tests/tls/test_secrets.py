"""Goal: a secret is in no output, no report, no title and no core, whether the run succeeds or fails; and whoever leaves
one open is told."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
import pytest
import secure

PASSWORD = "correct-horse-battery"
TOKEN = "very-secret-session-token"


@pytest.fixture
def watched(embedded, secrets):
    for value in (PASSWORD, TOKEN, "secret-access-key"):
        secrets.add(value)
    (embedded.folder / "a.jsonl").write_text(harness.line(1, "one") + "no product\n")
    return embedded


def configuration(watched, text, mode):
    path = watched.folder / "dataflow.conf"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_watch_itself_finds_what_is_there(secrets):
    secrets.add("planted-secret")
    with pytest.raises(AssertionError):
        secrets.check("x planted-secret y", "a test")


def test_the_watch_sees_how_a_job_is_called(watched):
    (watched.folder / f"{PASSWORD}.jsonl").write_text(harness.line(1, "one"))
    with pytest.raises(AssertionError, match="a secret is in /proc/PID/cmdline"):
        watched.job(f"{PASSWORD}.jsonl", "-", stdin=b"")  # it waits for what comes from there


@pytest.mark.parametrize("mode, warned", [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
def test_a_configuration_with_a_password_that_everybody_may_read_is_warned_of(watched, mode, warned):
    path = configuration(watched, f'[redis]\naddr = "127.0.0.1:{harness.free_port()}"\npass = "{PASSWORD}"\n', mode)
    run = watched.job("-config", path, "a.jsonl", code=1)
    assert ("the configuration holds a password, and everybody on this machine may read it" in run.err) == warned
    with watched.microservice("-config", path) as service:
        service.logged("listening")
        assert ("everybody on this machine may read it" in service.log.read_text()) == warned


def test_files_that_hold_secrets_are_looked_at_as_well(watched, certificates):
    password, key = watched.folder / "password", watched.folder / "key.pem"
    password.write_text(PASSWORD + "\n")
    shutil.copy(certificates / "client.key", key)
    for path in (password, key):
        path.chmod(0o644)
    watched.environment.update(
        DATAFLOW_REDIS_PASS_FILE=str(password), DATAFLOW_REDIS_ADDR=f"127.0.0.1:{harness.free_port()}", DATAFLOW_S3_KEY_FILE=str(key)
    )
    run = watched.job("a.jsonl", code=1)
    assert f"{password}: it holds a password" in run.err and f"{key}: it holds a private key" in run.err


def test_wrong_settings_do_not_show_the_secrets_beside_them(watched):
    for text in (
        f'[cassandra]\npass = ["{PASSWORD}"]\n',
        f'[cassandra]\npass = "{PASSWORD}\n',
        f'[cassandra]\npas = "{PASSWORD}"\n',
        f'[redis]\naddr = "redis://user:{PASSWORD}@host:6379"\n',
        f'[s3]\nendpoint = "ftp://user:{PASSWORD}@host"\n',
        f'[cassandra]\nhost = "user:{PASSWORD}@host"\n',
    ):
        run = watched.job("-config", configuration(watched, text, 0o600), "a.jsonl", code=2)
        assert "dataflow.conf:" in run.err, run.err
    watched.environment["AWS_ENDPOINT_URL"] = f"https://user:{PASSWORD}@127.0.0.1:1"
    assert "is not a URL like" in watched.job("s3://bucket/", code=4).err


@pytest.mark.parametrize("credentials", ["keys", "token file", "none"])
def test_failing_requests_do_not_show_credentials(watched, credentials):
    dead = f"http://127.0.0.1:{harness.free_port()}"
    watched.environment.update(AWS_ENDPOINT_URL=dead, AWS_REGION="eu-central-1", DATAFLOW_S3_RETRIES="1", AWS_EC2_METADATA_DISABLED="true")
    if credentials == "keys":
        watched.environment.update(AWS_ACCESS_KEY_ID="access-key", AWS_SECRET_ACCESS_KEY="secret-access-key", AWS_SESSION_TOKEN=TOKEN)
    elif credentials == "token file":
        (watched.folder / "token").write_text(TOKEN)
        watched.environment.update(
            AWS_WEB_IDENTITY_TOKEN_FILE=str(watched.folder / "token"), AWS_ROLE_ARN="arn:aws:iam::1:role/x",
            AWS_ENDPOINT_URL_STS=dead, AWS_ALLOW_HTTP="true",
        )
    else:
        watched.environment.update(AWS_METADATA_ENDPOINT=dead, AWS_ALLOW_HTTP="true")
    run = watched.job("s3://bucket/", code=4)
    assert run.err.count("Z error ") == 1, run.err


def test_servers_that_are_not_there_do_not_make_the_password_seen(watched):
    dead = str(harness.free_port())
    watched.environment.update(
        DATAFLOW_CASSANDRA_PORT=dead, DATAFLOW_CASSANDRA_USER="loader", DATAFLOW_CASSANDRA_PASS=PASSWORD,
        DATAFLOW_REDIS_ADDR=f"127.0.0.1:{dead}", DATAFLOW_REDIS_USER="loader", DATAFLOW_REDIS_PASS=PASSWORD,
        DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS="1000",
    )
    watched.job("a.jsonl", code=4)
    with watched.microservice() as service:
        assert service.get("/product/1")[0] == 503


@pytest.mark.parametrize("program", ["job", "microservice"])
def test_the_memory_of_a_running_program_is_not_dumped(program):
    """By the kernel's own account: what must not be dumped belongs to root in /proc, whoever runs it (proc(5))."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        check_memory(folder, program)


def check_memory(folder, program):
    binary = folder / program
    shutil.copy(harness.BIN / program, binary)
    os.chmod(binary, 0o755)
    someone = 65534 if os.getuid() == 0 else os.getuid()
    nobody = {"user": someone, "group": someone, "extra_groups": []} if os.getuid() == 0 else {}
    place = pathlib.Path("/tmp")

    def owner(process):
        return pathlib.Path(f"/proc/{process.pid}/environ").stat().st_uid

    other = subprocess.Popen(["sleep", "60"], cwd=place, **nobody)
    arguments = ["-"] if program == "job" else ["-listen", "127.0.0.1:0"]
    data = folder / "data"
    data.mkdir()
    data.chmod(0o777)
    process = subprocess.Popen(
        [binary, *arguments], cwd=data, env={"PATH": "/usr/bin", "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **nobody,
    )
    try:
        harness.wait_for(lambda: owner(other) == someone, "a program that does not care belongs to who runs it")
        harness.wait_for(lambda: owner(process) == 0, "the program's memory is private")
    finally:
        for each in (process, other):
            each.kill()
            each.communicate()


def test_the_example_configuration_has_no_secret():
    text = (secure.ROOT / "dataflow.conf").read_text()
    found = re.findall(r"^(#? ?pass\w*|#? ?key_file) = (.*)$", text, re.MULTILINE)
    assert len(found) >= 6 and all(key.startswith("# ") and value == '""' for key, value in found), found


def test_reports_and_rejects_are_complete_without_any(watched):
    run = watched.job("a.jsonl", code=1)
    assert run.rejected == 1 and json.loads((watched.folder / "rejects.jsonl.reasons").read_text())["line"] == 2

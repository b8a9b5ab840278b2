"""The programs under watch: whatever they print, write or are called must hold no secret."""
import contextlib
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Secrets:
    """What must never be seen, and how much was searched for it."""

    def __init__(self):
        self.values, self.texts, self.bytes = set(), 0, 0

    def add(self, value):
        assert len(value) >= 8, "too short to be looked for"
        self.values.add(value.encode() if isinstance(value, str) else value)

    def add_key(self, path):
        for line in pathlib.Path(path).read_bytes().splitlines():
            if line and not line.startswith(b"-----"):
                self.add(line)

    def check(self, text, where):
        data = text if isinstance(text, bytes) else text.encode()
        self.texts += 1
        self.bytes += len(data)
        for value in self.values:
            assert value not in data, f"a secret is in {where}"


class Titles(threading.Thread):
    """How a process is called, each name that it takes while it runs."""

    EVERY_S = 0.02

    def __init__(self, process, secrets):
        super().__init__(daemon=True)
        self.process, self.secrets, self.seen, self.checked = process, secrets, set(), set()
        self.look()
        self.check()
        self.start()

    def look(self):
        """One that is called by no name has ended."""
        with contextlib.suppress(OSError):
            proc = pathlib.Path(f"/proc/{self.process.pid}")
            if name := (proc / "cmdline").read_bytes():
                self.seen.add((name, (proc / "comm").read_bytes()))

    def run(self):
        while self.process.returncode is None:
            self.look()
            time.sleep(self.EVERY_S)

    def check(self):
        for arguments, name in self.seen - self.checked:
            self.secrets.check(arguments, "/proc/PID/cmdline")
            self.secrets.check(name, "/proc/PID/comm")
        self.checked |= self.seen

    def end(self):
        self.join()
        self.check()


class Watched(harness.Setup):
    """Runs the programs; looks for secrets in their output, their reports, their files and their title."""

    def __init__(self, folder, environment, secrets):
        super().__init__(folder, environment)
        self.secrets = secrets

    def start(self, *arguments, **options):
        """What everybody sees of it is looked at before it is told or asked anything, and for as long as it runs."""
        process = super().start(*arguments, **options)
        try:
            self.titles = Titles(process, self.secrets)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process

    def job(self, *arguments, **options):
        run = super().job(*arguments, **options)
        self.titles.end()
        self.secrets.check(run.out, f"standard output of job {arguments}")
        self.secrets.check(run.err, f"standard error of job {arguments}")
        for path in self.folder.iterdir():
            if path.suffix in (".json", ".jsonl", ".reasons"):
                self.secrets.check(path.read_bytes(), str(path))
        return run

    @contextlib.contextmanager
    def microservice(self, *arguments, code=0):
        """The running service; `lines` grows as it logs. It is ended by SIGTERM."""
        process = self.start("-listen", "127.0.0.1:0", *arguments, program="microservice")
        titles = self.titles  # a job may run meanwhile
        log = self.folder / f"service-{process.pid}.log"
        tee = subprocess.Popen(["tee", log], stdin=process.stderr, stdout=subprocess.DEVNULL)
        process.stderr.close()
        try:
            found = harness.wait_for(
                lambda: re.search(r"listening on (https?)://([0-9.]+:[0-9]+)", log.read_text()) or process.poll() is not None,
                "the service listens",
            )
            assert found is not True, f"the service ended: {log.read_text()}"
            yield Service(process, found.group(1), found.group(2), log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            out = process.stdout.read()
            process.wait(harness.WAIT_S)
            tee.wait(harness.WAIT_S)
        titles.end()
        self.secrets.check(out, "the access log")
        self.secrets.check(log.read_bytes(), "the service's log")
        assert process.returncode == code, f"the service ended with {process.returncode}: {log.read_text()}"


class Service:
    def __init__(self, process, scheme, address, log):
        self.process, self.scheme, self.address, self.log = process, scheme, address, log

    def logged(self, words, times=1):
        harness.wait_for(lambda: self.log.read_text().count(words) >= times, f"{words!r} is logged")

    def get(self, path, ca=None):
        context = ssl.create_default_context(cafile=ca) if ca else None
        try:
            with urllib.request.urlopen(f"{self.scheme}://{self.address}{path}", timeout=30, context=context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def run_script(*command, environment=None, timeout=400):
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr}"
    return done.stdout


def wait_for_end(pid):
    """Until a process that is not our child is gone; a zombie is."""
    def gone():
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] in "ZX"
        except OSError:
            return True
    harness.wait_for(gone, f"process {pid} ends")


class TlsServers:
    """What scripts/servers.sh start --tls started: its environment, its folder, and the clients that look at it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.variables = {"DATAFLOW_SERVERS_DIR": str(self.folder)}
        self.stop()  # what an interrupted run left, with whatever certificate it had
        self.start()
        self.certificates = self.folder / "certificates"
        self.cassandra_port = int(self.environment["DATAFLOW_CASSANDRA_PORT"])
        self.s3_port = int(self.environment["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])

    def start(self, *services):
        begin = time.monotonic()
        text = run_script(ROOT / "scripts" / "servers.sh", "start", *services, "--tls", environment=self.variables)
        self.environment = dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines())
        print(f"servers with TLS: up after {time.monotonic() - begin:.0f} s")

    def stop(self):
        run_script(ROOT / "scripts" / "servers.sh", "stop", environment=self.variables)

    def restart_cassandra(self, certificate, client_auth):
        """The same node and data; another certificate, and another mind about those of clients."""
        base = self.folder / "cassandra" / "node1"
        pid = int((self.folder / "cassandra" / "node1.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for_end(pid)
        pem = [(self.certificates / f"{certificate}.{end}").read_text() for end in ("key", "pem")]
        (base / "conf" / "server.pem").write_text("".join(pem))
        yaml = base / "conf" / "cassandra.yaml"
        yaml.write_text(re.sub(r"require_client_auth: \w+", f"require_client_auth: {str(client_auth).lower()}", yaml.read_text()))
        self.start("cassandra")

    def context(self):
        context = ssl.create_default_context(cafile=self.certificates / "ca.pem")
        context.load_cert_chain(self.certificates / "client.pem", self.certificates / "client.key")
        context.check_hostname = False
        return context

    @contextlib.contextmanager
    def cassandra(self):
        from cassandra.auth import PlainTextAuthProvider
        from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
        from cassandra.policies import WhiteListRoundRobinPolicy
        from cassandra.query import dict_factory

        profile = ExecutionProfile(WhiteListRoundRobinPolicy(["127.0.0.1"]), row_factory=dict_factory, request_timeout=60)
        cluster = Cluster(
            ["127.0.0.1"],
            port=self.cassandra_port,
            auth_provider=PlainTextAuthProvider("cassandra", "cassandra"),
            ssl_context=self.context(),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        )
        try:
            yield cluster.connect()
        finally:
            cluster.shutdown()

    def redis(self):
        import redis

        host, port = self.environment["DATAFLOW_REDIS_ADDR"].split(":")
        return redis.Redis(
            host,
            int(port),
            username="cassandra",
            password="cassandra",
            ssl=True,
            ssl_ca_certs=str(self.certificates / "ca.pem"),
            ssl_certfile=str(self.certificates / "client.pem"),
            ssl_keyfile=str(self.certificates / "client.key"),
        )

    def s3(self):
        import boto3
        import botocore.config

        return boto3.client(
            "s3",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            verify=str(self.certificates / "ca.pem"),
            region_name=self.environment["AWS_S3_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(
                request_checksum_calculation="when_required", response_checksum_validation="when_required"
            ),
        )


# The least that a Redis user needs who keeps the cache; SECURITY.md says the same.
REDIS_RIGHTS = (
    "~dataflow:* -@all +auth +select +ping +info +client|id +client|kill +get +mget +set +mset +msetnx +del +unlink +scan "
    "+hset +hsetnx +hdel +hexists +hgetall +eval"
)


class OwnRedis:
    """A Redis of the test's own that speaks TLS; the password is in a file, as it should be."""

    def __init__(self, folder, certificates, certificate="server", clients="no", password=None):
        self.port = harness.free_port()
        conf = pathlib.Path(folder) / "redis.conf"
        lines = [
            "bind 127.0.0.1", "port 0", f"tls-port {self.port}", 'save ""', f"dir {folder}", "daemonize no",
            f"tls-cert-file {certificates}/{certificate}.pem", f"tls-key-file {certificates}/{certificate}.key",
            f"tls-ca-cert-file {certificates}/ca.pem", f"tls-auth-clients {clients}",
        ]
        if password:
            lines += ["user default off", f"user loader on >{password} {REDIS_RIGHTS}"]
        conf.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["redis-server", conf], stdout=subprocess.DEVNULL)

        def listens():
            import socket

            with socket.create_connection(("127.0.0.1", self.port), 5):
                return True

        harness.wait_for(listens, "Redis listens")

    def stop(self):
        self.process.kill()
        self.process.wait()

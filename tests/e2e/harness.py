"""Runs the programs as their users do, and looks at the servers with clients that are not ours."""
import contextlib
import json
import math
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

COLUMNS = ("id", "title", "price", "category", "brand", "url", "description")
RUN_TIMEOUT_S = 300
OWNED_S = 10_800  # a Redis database belongs to its test for so long: the longest that one may take
WAIT_S = 60


def required(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: run scripts/test.sh, or eval \"$(scripts/servers.sh start)\" first")
    return value


BIN = pathlib.Path(required("DATAFLOW_BIN_DIR"))


def wait_for(condition, what, timeout_s=WAIT_S):
    """Waits until condition() is true; its last exception or the deadline fails the test."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = condition()
            if value:
                return value
            error = None
        except Exception as caught:  # the condition is not there yet
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s") from error
        time.sleep(0.02)


class Run:
    """What one run of the job did."""

    def __init__(self, code, out, err, report):
        self.code, self.out, self.err, self.report = code, out, err, report

    def __getattr__(self, name):
        return self.report[name]


class Address(str):
    """"127.0.0.1:8080", and the process that listens there."""

    def __new__(cls, text, pid):
        address = super().__new__(cls, text)
        address.pid = pid
        return address


class Setup:
    """A folder to run in and an environment; nothing of the caller's configuration gets in."""

    def __init__(self, folder, environment):
        self.folder = pathlib.Path(folder)
        kept = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
        self.environment = {k: v for k, v in os.environ.items() if k in kept or k.endswith("SAN_OPTIONS")}
        self.environment.update(environment)
        self.popen = {}  # how its programs are started, each of them

    def start(self, *arguments, program="job", **popen):
        popen = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **self.popen, **popen}
        return subprocess.Popen([BIN / program, *map(str, arguments)], cwd=self.folder, env=self.environment, **popen)

    def provision(self, *arguments):
        process = self.start("-provision", *arguments)
        _, err = process.communicate(timeout=RUN_TIMEOUT_S)
        assert process.returncode == 0, err.decode()

    def job(self, *arguments, stdin=None, code=0):
        """Runs the job to its end; `code` is the exit code expected, None: any."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        process = self.start("-report", report, *arguments, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        out, err = process.communicate(stdin, timeout=RUN_TIMEOUT_S)
        run = Run(process.returncode, out.decode(), err.decode(), json.loads(report.read_text()) if report.exists() else {})
        if code is not None:
            assert run.code == code, f"exit code {run.code} instead of {code}\n{run.out}\n{run.err}"
        return run

    @contextlib.contextmanager
    def service(self, *arguments, **popen):
        """The running service; yields its address, which knows the process, too."""
        with Service(self, *arguments, **popen) as service:
            yield Address(service.address, service.process.pid)


class Service:
    """The running service. What it says goes to files without a name, so that it never waits for a reader."""

    def __init__(self, setup, *arguments, **popen):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = setup.start(
            "-listen", "127.0.0.1:0", *arguments, program="microservice",
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, **popen,
        )
        try:
            found = wait_for(lambda: self.listens() or self.process.poll() is not None, "the service listens")
            assert found is not True, "the service ended: " + self.log()
            self.address = found.group(1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def listens(self):
        return re.search(r"http://([0-9.]+:[0-9]+)", self.log())

    def log(self):
        # Where the service writes next is the file's position: reading must not move it.
        number = self.err.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert self.process.returncode == 0, f"the service ended with {self.process.returncode}\n{self.log()}"


def get(address, path):
    """Status, headers and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def product_of(line):
    """The row that a good line has to become: every column, absent ones null, numbers as the store keeps them."""
    value = json.loads(line)
    row = {column: value.get(column) for column in COLUMNS}
    if row["price"] is not None:
        row["price"] = float(row["price"])
    return row


def rows_of(*texts):
    """The table that these files, in the order they are listed, have to become."""
    table = {}
    for text in texts:
        for line in text.split("\n"):
            if line.strip():
                row = product_of(line)
                table[row["id"]] = row
    return table


def line(product_id, title, **more):
    return json.dumps({"id": product_id, "title": title, **more}, ensure_ascii=False) + "\n"


def catalogue(rows, seed=7, changed_per_mille=0, files=4):
    """`rows` products in `files` texts, mixed scripts, escapes and lengths; the same catalogue a day later with some of
    its prices changed."""
    words = (
        "ultra soft cotton wireless steel premium kids summer leather portable smart vintage organic ergonomic café naïve "
        'größe 漢字 кофе emoji😀 "quoted" back\\slash tab\t line\u2028end'
    ).split(" ")
    rng, day = random.Random(seed), random.Random(seed + 1)
    ids = list(range(1, rows + 1))
    rng.shuffle(ids)
    texts = [[] for _ in range(files)]
    for k, product_id in enumerate(ids):
        product = {
            "id": product_id,
            "title": " ".join(rng.choices(words, k=rng.randint(3, 8))),
            "price": round(rng.uniform(1, 2000), 2),
            "category": rng.choice(["Elektronik", "Home & Kitchen", "Süpermarket", None]),
            "brand": rng.choice(["Acme", "Ürün", "Stark"]),
            "url": f"https://shop.example/p/{product_id}-{rng.getrandbits(32):x}",
            "description": " ".join(rng.choices(words, k=rng.randint(10, 60))),
        }
        if k % 11 == 0:
            del product["brand"]
        if day.randrange(1000) < changed_per_mille:
            product["price"] = round(product["price"] + 1, 2)
        texts[k * files // rows].append(json.dumps(product, ensure_ascii=(k % 3 == 0)) + "\n")
    return ["".join(lines) for lines in texts]


def s3_client(aws, **more):
    """A client of the S3 server that these variables name; `more` goes to its configuration."""
    import boto3
    import botocore.config

    return boto3.client(
        "s3",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=aws["AWS_S3_REGION"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(
            request_checksum_calculation="when_required", response_checksum_validation="when_required", **more
        ),
    )


def cassandra_cluster(hosts, port):
    """The Python driver on these nodes alone; rows are dicts."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import WhiteListRoundRobinPolicy
    from cassandra.query import dict_factory

    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy(hosts), row_factory=dict_factory, request_timeout=60
    )
    return Cluster(hosts, port=int(port), execution_profiles={EXEC_PROFILE_DEFAULT: profile})


class Servers(Setup):
    """The real servers, with a keyspace, a Redis database and a bucket that nobody else uses. `replicas`: of each row."""

    def __init__(self, folder, name, replicas=1):
        import redis

        self.name = name
        self.redis = None
        for database in range(1, 16):
            candidate = redis.Redis.from_url(f"redis://{required('DATAFLOW_REDIS_ADDR')}/{database}")
            # Taken in one step, so that tests that run side by side do not share one.
            if candidate.set("e2e:owner", name, nx=True, ex=OWNED_S):
                self.redis, self.database = candidate, database
                break
            candidate.close()
        assert self.redis, "all Redis databases are taken: restart it with scripts/servers.sh"
        self.bucket = name.replace("_", "-")
        aws = {key: required(key) for key in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_REGION")}
        super().__init__(
            folder,
            {
                "DATAFLOW_CASSANDRA_HOST": required("DATAFLOW_CASSANDRA_HOST"),
                "DATAFLOW_CASSANDRA_PORT": required("DATAFLOW_CASSANDRA_PORT"),
                "DATAFLOW_CASSANDRA_KEYSPACE": name,
                "DATAFLOW_REDIS_ADDR": required("DATAFLOW_REDIS_ADDR"),
                "DATAFLOW_REDIS_DB": str(self.database),
                "AWS_S3_BUCKET": self.bucket,
                **aws,
            },
        )
        self.s3 = s3_client(aws)
        self.s3.create_bucket(Bucket=self.bucket)
        hosts = required("DATAFLOW_CASSANDRA_HOST").split(",")
        self.cluster = cassandra_cluster(hosts, required("DATAFLOW_CASSANDRA_PORT"))
        self.session = self.cluster.connect()
        self.provision("-replication", replicas)

    def close(self):
        self.session.execute(f"DROP KEYSPACE IF EXISTS {self.name}", timeout=120)
        self.cluster.shutdown()
        with contextlib.suppress(Exception):  # a test may have left it down
            self.redis.flushdb()
            self.redis.close()

    def put(self, texts, prefix="products-"):
        for number, text in enumerate(texts, 1):
            self.s3.put_object(Bucket=self.bucket, Key=f"{prefix}{number}.jsonl", Body=text.encode())

    def table(self):
        """The table as it is, read by the Python driver."""
        return self.select("")

    def rows(self, keys):
        """Those of these rows that are there: a question for who waits for one of them."""
        return self.select(f"WHERE id IN ({', '.join(map(str, keys))})")

    def select(self, where):
        rows = self.session.execute(f"SELECT * FROM {self.name}.products {where}")
        return {row["id"]: {column: row[column] for column in COLUMNS} for row in rows}

    def truncate(self):
        self.session.execute(f"TRUNCATE {self.name}.products", timeout=120)


def same(actual, expected):
    """Whether two rows are (None: there is none), to the sign of a zero, which == does not see."""
    return actual == expected and (actual is None or sign_of(actual["price"]) == sign_of(expected["price"]))


def sign_of(price):
    return price is not None and math.copysign(1, price)


def differences(actual, expected):
    """Keys of rows that are missing, too many, or others."""
    return sorted(key for key in actual.keys() | expected.keys() if not same(actual.get(key), expected.get(key)))


def assert_same_table(actual, expected):
    """Row by row; a difference is shown by its row, not by two whole tables."""
    found = differences(actual, expected)
    assert not found, (
        f"{len(found)} rows differ ({len(expected.keys() - actual.keys())} missing, {len(actual.keys() - expected.keys())} too many), e.g. "
        f"{found[0]}:\n{actual.get(found[0])}\n{expected.get(found[0])}"
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fill(pipe):
    """Until nothing more fits into it."""
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)


class OwnRedis:
    """A Redis of the test's own, to be stopped, paused and started again."""

    def __init__(self, folder, *arguments):
        self.port = free_port()
        self.folder, self.arguments, self.process = pathlib.Path(folder), arguments, None
        self.start()

    def client(self):
        import redis

        return redis.Redis(port=self.port)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder, *self.arguments],
            stdout=subprocess.DEVNULL,
        )
        wait_for(lambda: self.client().ping(), "Redis answers")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

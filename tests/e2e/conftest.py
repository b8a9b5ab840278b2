"""What the end-to-end tests share: the programs, the servers that scripts/servers.sh started, and the reference."""
import json
import os
import pathlib
import subprocess
import sys
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import figures  # noqa: E402
import harness  # noqa: E402


def pytest_terminal_summary(terminalreporter):
    figures.tell_skipped(terminalreporter)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def embedded(tmp_path):
    """The job and the service with everything embedded, in a folder of the test's own."""
    return harness.Setup(tmp_path, {})


@pytest.fixture
def servers(tmp_path):
    """The job and the service on the real servers: a keyspace, a Redis database and a bucket of the test's own."""
    setup = harness.Servers(tmp_path, "e2e_" + uuid.uuid4().hex[:12])
    yield setup
    setup.close()

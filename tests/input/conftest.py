"""What the tests of bad and hostile input share: the programs as the end-to-end tests run them, and a seed."""
import collections
import os
import pathlib
import random
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "e2e")]
import figures  # noqa: E402
import harness  # noqa: E402


SEED = int(os.environ.get("DATAFLOW_SEED") or random.SystemRandom().randrange(1 << 32))


def pytest_sessionstart(session):
    figures.tell_seed(session.config, "DATAFLOW_SEED", SEED)


def pytest_terminal_summary(terminalreporter):
    figures.tell_skipped(terminalreporter)


@pytest.fixture
def embedded(tmp_path):
    """The job and the service with everything embedded, in a folder of the test's own."""
    return harness.Setup(tmp_path, {})


@pytest.fixture
def rng(request):
    """The test's own random numbers: the same for the same seed, whichever tests run beside it."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def tell(capsys):
    """Prints a figure although the test passes, for scripts/test.sh as well."""

    def say(*words):
        with capsys.disabled():
            print(*words)
        figures.tell(*words)

    return say


@pytest.fixture
def tried(request, tell):
    """Counts bad inputs: what nobody who means well would send, or would only by mistake. scripts/test.sh adds them up."""
    counted = collections.Counter()

    def count(what, number=1):
        counted[what] += number

    yield count
    if counted:
        tell(f"{request.node.name}: {counted.total()} bad inputs tried: {', '.join(counted)}")

"""What the tests of bad and hostile input share: the programs as the end-to-end tests run them, and a seed."""
import os
import pathlib
import random
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "e2e")]
import figures  # noqa: E402
import harness  # noqa: E402


def pytest_terminal_summary(terminalreporter):
    figures.tell_skipped(terminalreporter)


@pytest.fixture
def embedded(tmp_path):
    """The job and the service with everything embedded, in a folder of the test's own."""
    return harness.Setup(tmp_path, {})


@pytest.fixture
def rng(capsys):
    """Random numbers; their seed is printed, and DATAFLOW_SEED replays it."""
    seed = int(os.environ.get("DATAFLOW_SEED") or random.randrange(1 << 32))
    with capsys.disabled():
        print(f"seed {seed} (DATAFLOW_SEED={seed} replays it)")
    return random.Random(seed)


@pytest.fixture
def tell(capsys):
    """Prints a figure although the test passes, for scripts/test.sh as well."""

    def say(*words):
        with capsys.disabled():
            print(*words)
        figures.tell(*words)

    return say

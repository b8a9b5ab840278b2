"""Fixtures of the fault tests: programs and servers as in tests/e2e, random numbers by seed, figures at the end."""
import contextlib
import pathlib
import random
import sys
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "e2e")]
import faults  # noqa: E402
import figures  # noqa: E402
import gate as gates  # noqa: E402
import harness  # noqa: E402

ALL = pytest.StashKey()


def pytest_configure(config):
    config.stash[ALL] = []
    config.addinivalue_line("markers", "without_faults: a test of load, not of faults")


def pytest_sessionstart(session):
    figures.tell_seed(session.config, "DATAFLOW_FAULT_SEED", faults.SEED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    made = item.funcargs.get("figures")
    if made and not made.faults and not item.get_closest_marker("without_faults"):
        pytest.fail("no fault was injected, so that nothing is shown", pytrace=False)
    return result


@pytest.fixture
def embedded(tmp_path):
    return harness.Setup(tmp_path, {})


@pytest.fixture
def servers(tmp_path):
    setup = harness.Servers(tmp_path, "fault_" + uuid.uuid4().hex[:12])
    yield setup
    setup.close()


@pytest.fixture
def gate(servers):
    with contextlib.closing(gates.Gate(servers)) as made:
        yield made


@pytest.fixture
def rng(request):
    """The test's own random numbers: the same for the same seed, whichever tests run beside it."""
    return random.Random(f"{faults.SEED} {request.node.name}")


@pytest.fixture(name="figures")
def figures_of_the_test(request):
    made = faults.Figures(request.node.name)
    yield made
    if made.faults or made.runs:  # one that was skipped is told as such
        request.config.stash[ALL].append(made)
        figures.tell(made.line())


def pytest_terminal_summary(terminalreporter, config):
    for made in config.stash[ALL]:
        terminalreporter.write_line(made.line())
    figures.tell_skipped(terminalreporter)

"""Figures that a test run ends with: a line each in the file DATAFLOW_FIGURES, which scripts/test.sh shows."""
import os


def tell(*words):
    path = os.environ.get("DATAFLOW_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            print(*words, file=file)


def tell_skipped(terminalreporter):
    """For pytest_terminal_summary: to ctest, and so in the sum of scripts/test.sh, what was skipped has passed."""
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        tell(f"NOT RUN: {report.nodeid}: {reason}")


def tell_seed(config, variable, seed):
    """For pytest_sessionstart, past what pytest captures: of a run that is killed, what replays it is known."""
    if config.option.collectonly:
        return
    line = f"{variable}={seed} replays {' '.join(map(os.path.basename, config.args))}"
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(line)
    reporter.flush()
    tell(line)

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

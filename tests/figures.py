"""Figures that a test run ends with: a line each in the file DATAFLOW_FIGURES, which scripts/test.sh shows."""
import os


def tell(*words):
    path = os.environ.get("DATAFLOW_FIGURES")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            print(*words, file=file)

"""Puts the table of results into README.md, between its marks. python bench/readme.py RESULTS.json...

Of a row that several files of one commit have, the runs are put together; of different commits, the last file's count.
"""
import json
import pathlib
import re
import sys

import report

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- figures: scripts/bench.sh --readme -->", "<!-- end of figures -->"
# What stands in README.md; everything else is in the results only.
KEPT_OUT = ("micro",)
HEAD = ("work", "who", "median (min-max of n)", "rate", "ours is x times better", "client CPU each", "peak memory", "")


def put_together(row, more):
    """`more` runs of the same row."""
    entries = {entry["who"]: entry for entry in row["entries"]}
    for entry in more["entries"]:
        if entry["who"] in entries:
            entries[entry["who"]]["samples"] += entry["samples"]
        else:
            row["entries"].append(entry)


def taken_on(results):
    """The commit, the day, and all else that has to be the same."""
    machine = results["machine"]
    return results["commit"], results["date"], (
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, "
        f"{results['catalogue']['rows']:,} rows of {results['catalogue']['bytes'] / 1e6:.0f} MB in four objects"
    )


def sentence(said):
    """What taken_on() said of all files, without saying it again and again."""
    commits = {}
    for commit, date, machine in said:
        commits.setdefault((machine, date), []).append(commit)
    parts = []
    for machine in dict.fromkeys(machine for machine, _ in commits):
        days = [
            f"{date}, commit{'s' if len(names) > 1 else ''} {', '.join(names)}" for (where, date), names in commits.items() if where == machine
        ]
        parts.append(f"{'; '.join(days)}; {machine}")
    return "Taken " + "; ".join(parts) + ". Servers and clients share the machine."


def merged(files):
    """The rows of all files by name, what they were taken on, and who is left out."""
    rows, said, left_out = {}, {}, {}
    for file in files:
        results = json.loads(pathlib.Path(file).read_text())
        left_out.update(results["left_out"])
        for row in results["rows"]:
            name = row["name"]
            if name in KEPT_OUT:
                continue
            if name in rows and said[name] == taken_on(results):
                put_together(rows[name], row)
            else:
                rows[name] = row
            said[name] = taken_on(results)
    return rows, list(dict.fromkeys(said.values())), left_out


def markdown(files):
    rows, said, left_out = merged(files)
    lines = [sentence(said), ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in rows.values():
        for number, entry in enumerate(row["entries"]):
            who, middle, spread, runs, rate, times, cpu, peak, more = report.cells(row, entry)
            cells = [row["title"] if number == 0 else "", who, f"{middle} ({spread} of {runs})", rate, times, cpu, peak, more]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [f"\nLeft out: {who} ({why})." for who, why in left_out.items()]
    return "\n".join(lines) + "\n"


def main(files):
    if not files:
        sys.exit(__doc__)
    text = README.read_text(encoding="utf-8")
    found = re.search(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", text, re.DOTALL)
    if not found:
        sys.exit(f"README.md has no {BEGIN} ... {END}")
    README.write_text(text.replace(found.group(), f"{BEGIN}\n{markdown(files)}{END}"), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

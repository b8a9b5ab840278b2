"""The table of results, as text and as Markdown, from the JSON that run.py writes."""
import statistics


def summary(row, entry):
    """Median, least and most of an entry's figure: seconds, or work a second where the row is about a rate."""
    figures = [
        sample["work"] / sample["wall_s"] if row["rate"] else sample["wall_s"] for sample in entry["samples"]
    ]
    return statistics.median(figures), min(figures), max(figures)


def ratio(row, entry):
    """How many times better ours is: above 1, ours is ahead."""
    ours = next((one for one in row["entries"] if one["who"] == "ours"), None)
    if ours is None or entry is ours:
        return None
    mine, theirs = summary(row, ours)[0], summary(row, entry)[0]
    return mine / theirs if row["rate"] else theirs / mine


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def median_of(entry, key):
    values = [sample[key] for sample in entry["samples"] if sample[key] is not None]
    return statistics.median(values) if values else None


def cells(row, entry):
    middle, least, most = summary(row, entry)
    each = row.get("each", True)
    times = ratio(row, entry)
    cpu = [sample["cpu_s"] / sample["work"] for sample in entry["samples"] if sample["cpu_s"] is not None]
    peak = [sample["peak_bytes"] for sample in entry["samples"] if sample["peak_bytes"]]
    per_second = statistics.median(sample["work"] / sample["wall_s"] for sample in entry["samples"])
    return [
        entry["who"],
        number(middle) + ("/s" if row["rate"] else " s"),
        f"{number(least)}-{number(most)}",
        str(len(entry["samples"])),
        "" if row["rate"] or not each else number(per_second) + "/s",
        "" if times is None else f"{times:.2f}",
        f"{statistics.median(cpu) * 1e6:.2f} us" if cpu and each else "",
        f"{max(peak) / 2**20:.0f} MiB" if peak else "",
        "; ".join(extras(entry)),
    ]


def extras(entry):
    """What else was counted, the median of each."""
    for key in entry["samples"][0]["extra"]:
        values = [sample["extra"][key] for sample in entry["samples"] if key in sample["extra"]]
        yield f"{key} {number(statistics.median(values))}"


def left_out(results):
    """Who is not in the table, and why."""
    lines = [f"left out: {who}: {why}" for who, why in results["left_out"].items()]
    if results["not_asked_for"]:
        lines.append(f"not asked for (--peers): {', '.join(results['not_asked_for'])}")
    return lines


HEAD = ["who", "median", "min-max", "runs", "work/s", "ours is x times better", "client CPU each", "peak memory", ""]


def text(results):
    machine = results["machine"]
    lines = [
        f"{results['date']}, commit {results['commit']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"catalogue of {results['catalogue']['rows']:,} rows, {results['catalogue']['bytes'] / 1e6:.0f} MB"
    ]
    for row in results["rows"]:
        table = [HEAD] + [cells(row, entry) for entry in row["entries"]]
        widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
        lines += ["", f"{row['name']}: {row['title']}"]
        if row["target"]:
            lines.append(f"  wanted: {row['target']}")
        if row["note"]:
            lines.append(f"  {row['note']}")
        lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    lines += left_out(results)
    return "\n".join(lines)

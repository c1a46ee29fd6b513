#!/usr/bin/env python3
"""docs/performance.md from the files that `bench_kernels --json` wrote, one a machine.

    performance.py NAME=FILE.json [NAME=FILE.json ...] [--notes NOTES.md] > docs/performance.md

NAME heads the machine's column. NOTES, in Markdown, is put between the machines and the tables.
"""
import argparse
import json
import re
import sys

KEY = ("kernel", "asked_path", "dtype", "threads", "seqlen", "head_dim", "is_share")


def text(row):
    """"85.1 % (84 to 86), bar 80 %; 12.3 ns", or an empty cell."""
    if row is None:
        return "not there"
    factor, unit = (100, " %") if row["is_share"] else (1, "x")
    low, middle, high = (f"{factor * row[key]:.3g}" for key in ("ratio_10", "ratio", "ratio_90"))
    bar = f", bar {factor * row['target']:.3g}{unit}" if row["target"] else ""
    missed = " **missed**" if row["ratio"] < row["target"] else ""
    path = f" `{row['path']}`" if row["path"] else ""
    return f"{middle}{unit} ({low} to {high}){bar}{missed}; {row['nanoseconds']:.4g} ns{path}"


def against(row):
    """The compared kernel without its path, or the ceiling; both differ by machine."""
    if row["is_share"]:
        return "read bandwidth" if row["against"].startswith("read ") else "arithmetic ceiling"
    return re.sub(r":[a-z0-9]+", "", row["against"])


def print_machine(name, machine):
    print(f"- **{name}**: {machine['cpu']} ({machine['features']}), {machine['physical_cores']} physical cores, "
          f"load before {machine['load_before']}, {machine['rounds']} rounds. Ceilings of one core: "
          + ", ".join(f"{c['unit']} ({c['path']}) {c['flops_per_second'] * 1e-9:.4g} GFLOP/s" for c in machine["ceilings"]) + ".")


def print_table(index, files):
    tables = [document["tables"][index] for document in files.values()]
    print(f"\n## {tables[0]['title']}\n")
    if tables[0]["note"]:
        print(tables[0]["note"] + "\n")
    columns = [{tuple(row[key] for key in KEY): row for row in table["rows"]} for table in tables]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    print("| kernel | against | type | threads | N | D | " + " | ".join(files) + " |")
    print("|---|---|---|---|---|---|" + "---|" * len(files))
    for key in keys:
        rows = [column.get(key) for column in columns]
        first = next(row for row in rows if row)
        kernel = first["kernel"] + (":" + first["asked_path"] if first["asked_path"] else "")
        print(f"| {kernel} | {against(first)} | {first['dtype']} | {first['threads']} | {first['seqlen']} | "
              f"{first['head_dim']} | " + " | ".join(map(text, rows)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="NAME=FILE.json")
    parser.add_argument("--notes")
    arguments = parser.parse_args()
    files = {}
    for argument in arguments.files:
        name, _, path = argument.partition("=")
        if not path:
            sys.exit(f"performance.py: '{argument}' is not NAME=FILE.json")
        with open(path, encoding="utf-8") as file:
            files[name] = json.load(file)
    titles = {name: [table["title"] for table in document["tables"]] for name, document in files.items()}
    if len({tuple(of) for of in titles.values()}) != 1:
        sys.exit(f"performance.py: the files hold different tables: {titles}")

    print("# Performance of the fused CPU kernels\n")
    print("Made by `bench/kernels/performance.py` from `bench_kernels --json`; only the notes are written by hand. A kernel\n"
          "and what it is compared with take turns, round by round; each batch follows an untimed one. Shown are the median\n"
          "over rounds, the 10th and 90th percentile, the bar where there is one, and ns a query and head. `bench_kernels`\n"
          "is built with `-DATTNBENCH_BENCH=ON`; the files of these machines are in `docs/performance/`.\n")
    for name, document in files.items():
        print_machine(name, document["machine"])
    if arguments.notes:
        with open(arguments.notes, encoding="utf-8") as file:
            print("\n" + file.read().strip())
    for index in range(len(next(iter(titles.values())))):
        print_table(index, files)


if __name__ == "__main__":
    main()

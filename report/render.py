#!/usr/bin/env python3
"""Figures as PDF, SVG and PNG, and the paper, from a summary.json. Computes no statistic."""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import typst
import vl_convert

from figures import HERE, TABLES, load_figures, panels, profile_words

PNG_SCALE = 2


def draw_figures(summary, folder, formats):
    """Writes NAME-PANEL.{pdf,svg,png} into `folder`. Returns what was drawn, for the paper: one entry a figure."""
    theme = json.loads((HERE / "theme.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, spec in load_figures():
        meta = spec["usermeta"]
        figure = {key: meta[key] for key in ("figure", "title", "caption")}
        figure.update(alt=spec["description"], words=profile_words(summary, spec), panels=[])
        for panel in panels(summary, spec):
            file = folder / f"{name}-{panel['name']}"
            vega = vl_convert.vegalite_to_vega(panel["spec"], config=theme)
            if "pdf" in formats:
                file.with_name(file.name + ".pdf").write_bytes(vl_convert.vega_to_pdf(vega))
            if "svg" in formats:
                file.with_name(file.name + ".svg").write_text(vl_convert.vega_to_svg(vega))
            if "png" in formats:
                vega_on_white = {**vega, "background": "white"}
                file.with_name(file.name + ".png").write_bytes(vl_convert.vega_to_png(vega_on_white, scale=PNG_SCALE))
            figure["panels"].append({"run": panel["run"], "group": panel["group"], "title": panel["title"], "file": f"{folder.name}/{file.name}"})
        drawn.append(figure)
    return drawn


def promises():
    """The measured error rates of the method, [[property, result]]: the table of docs/methodology.md, so that no second
    copy of its numbers exists."""
    text = (HERE.parent / "docs" / "methodology.md").read_text()
    table = text.split("| property | result |\n|---|---|\n", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table.splitlines()]


def lay_out_paper(source, drawn, folder):
    """Puts all that Typst reads into `folder`: template, bibliography, summary.json and its hash, the list of figures, the
    error rates of the method."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "paper").iterdir():
        shutil.copy(file, folder)
    shutil.copy(source, folder / "summary.json")
    (folder / "figures.json").write_text(json.dumps(drawn))
    (folder / "origin.json").write_text(json.dumps({
        "summary_sha256": hashlib.sha256(Path(source).read_bytes()).hexdigest(), "promises": promises()}))


def read_summary(file):
    try:
        summary = json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        sys.exit(f"render: {file}: {error}")
    if not isinstance(summary, dict) or summary.get("format") != "attnbench-summary":
        sys.exit(f"render: {file}: is no summary; 'attnbench analyze STORE --out summary.json' writes one")
    if "version" not in summary:
        sys.exit(f"render: {file}: has no field 'version'")
    if summary["version"] != 3:
        sys.exit(f"render: {file}: version {summary['version']} is not known here; this program reads version 3")
    if problem := missing_field(summary):
        sys.exit(f"render: {file}: {problem}")
    return summary


RUN_TEXTS, GROUP_TEXTS = ("id", "kind", "machine", "mark"), ("id", "heading", "scope", "dtype", "phase")


def missing_field(summary):
    """The first field that a summary lacks or has of another kind, of those that everything else hangs from; else ""."""
    def first(at, value, fields):
        if not isinstance(value, dict):
            return f"'{at}' is no object"
        for field, kind in fields:
            name = f"{at}.{field}".lstrip(".")
            if field not in value:
                return f"has no field '{name}'"
            if not isinstance(value[field], kind):
                return f"'{name}' is no {'object' if kind is dict else 'list' if kind is list else 'text'}"
        return ""

    problems = [first("", summary, [("runs", list), ("claims", list), ("tables", dict)])]
    if not any(problems):
        names = TABLES + (("choices", "regrets") if summary.get("profile") else ())
        problems.append(first("tables", summary["tables"], [(name, list) for name in names]))
        for number, run in enumerate(summary["runs"]):
            problems.append(first(f"runs[{number}]", run, [(name, str) for name in RUN_TEXTS] + [("groups", list)]))
            for place, group in enumerate([] if problems[-1] else run["groups"]):
                problems.append(first(f"runs[{number}].groups[{place}]", group, [(name, str) for name in GROUP_TEXTS] + [("cells", list), ("seqlens", list)]))
    return next((problem for problem in problems if problem), "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("summary", help="summary.json, from 'attnbench analyze STORE --out summary.json'")
    parser.add_argument("--out", default="results/paper", help="folder to write to (default: %(default)s)")
    parser.add_argument("--format", default="pdf,svg,png", help="of the figures (default: %(default)s)")
    parser.add_argument("--figures-only", action="store_true", help="do not typeset the paper")
    options = parser.parse_args()
    formats = set(options.format.split(","))
    if unknown := formats - {"pdf", "svg", "png"}:
        parser.error(f"--format: {', '.join(sorted(unknown))} is not one of pdf, svg, png")
    if not options.figures_only:
        formats.add("svg")

    summary = read_summary(options.summary)
    out = Path(options.out)
    try:
        drawn = draw_figures(summary, out / "figures", formats)
    except KeyError as error:
        sys.exit(f"render: {options.summary}: an entry has no field {error}")
    print(out / "figures")
    if not options.figures_only:
        lay_out_paper(options.summary, drawn, out)
        try:
            typst.compile(str(out / "paper.typ"), output=str(out / "paper.pdf"), root=str(out))
        except typst.TypstError as error:
            sys.exit(f"render: {error.diagnostic}")
        print(out / "paper.pdf")


if __name__ == "__main__":
    main()

"""Binds rows of summary.json to the figure specifications. report/page/figures.js does the same in the page."""

import copy
import itertools
import json
from pathlib import Path

HERE = Path(__file__).parent
TABLES = ("kernels", "series", "crossovers", "peers", "ceilings")


def load_figures():
    """The specifications in report/figures, in the order of their names: [(name, specification)]."""
    files = sorted((HERE / "figures").glob("*.vl.json"))
    return [(f.name.removesuffix(".vl.json"), json.loads(f.read_text())) for f in files]


def mark_of(run):
    """What stands on every figure of a run: its standing, or why it is not publishable. "" if it is."""
    return run["mark"]


def selected(row, meta):
    chosen = all(row.get(column) in values for column, values in meta["select"].items())
    baseline = meta["with_baseline"] and row.get("is_baseline")
    return (chosen or baseline) and all(row.get(column) is not None for column in meta["needs"])


def panels(summary, spec):
    """One bound specification a (run, group, value of the columns to split by) that has rows.

    Yields {run, group, name, title, spec}; `name` is unique within the figure and fit for a file name.
    """
    meta = spec["usermeta"]
    for run in summary["runs"]:
        for group in run["groups"]:

            def of_group(row):
                return row["run"] == run["id"] and row["group"] == group["id"]

            tables = {name: [r for r in summary["tables"][name] if of_group(r)] for name in TABLES[:4]}
            tables["ceilings"] = [c for c in summary["tables"]["ceilings"] if of_machine(c, run, group)]
            rows = [r for r in tables[meta["table"]] if selected(r, meta)]
            values = [sorted({r[column] for r in rows}) for column in meta["split"]]
            for part in itertools.product(*values):
                mine = dict(zip(meta["split"], part))

                def of_part(row):
                    return (all(row[column] == value for column, value in mine.items())
                            or meta["with_baseline"] and row.get("is_baseline"))

                bound = {name: [r for r in table if name == "ceilings" or (selected_beside(r, meta) and of_part(r))]
                         for name, table in tables.items()}
                bound[meta["table"]] = [r for r in rows if of_part(r)]
                if not bound[meta["table"]]:
                    continue
                title = ", ".join([group["heading"], *(f"{value} forms" for value in part)])
                yield {"run": run["id"], "group": group["id"], "title": f"{title}, {run['machine']}",
                       "name": "-".join([run["id"], group["id"], *part]),
                       "spec": bind(spec, bound, [title, run["machine"]], mark_of(run))}


def of_machine(ceiling, run, group):
    """The ceilings that the roofline of a group shows: its threads; its element type and f32."""
    return (ceiling["run"] == run["id"] and ceiling["threads"] == group["threads"]
            and ceiling["dtype"] in ("", "f32", group["dtype"]))


def selected_beside(row, meta):
    """Whether a row of a table other than the figure's own belongs to what the figure shows."""
    return selected(row, {**meta, "needs": []})


def bind(spec, tables, title, mark):
    bound = copy.deepcopy(spec)
    bound["datasets"] = tables
    # As much of the mark as a panel has room for; the paper says it in full.
    bound["title"] = {"text": title, "subtitle": mark if len(mark) <= 60 else mark[:59] + "…"}
    return bound

"""Binds rows of summary.json to the figure specifications. report/page/figures.js does the same in the page."""

import copy
import itertools
import json
import re
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
TITLE_CHARACTERS, MARK_CHARACTERS = 52, 60  # that a panel of 320 points and its axis have room for
TABLES = ("kernels", "series", "crossovers", "peers", "ceilings")


def load_figures():
    """The specifications in report/figures, in the order of their names: [(name, specification)]."""
    files = sorted((HERE / "figures").glob("*.vl.json"))
    return [(f.name.removesuffix(".vl.json"), json.loads(f.read_text())) for f in files]


def mark_of(run):
    """What stands on every figure of a run: its standing, or why it is not publishable. "" if it is."""
    return run["mark"]


def chosen(row, meta):
    return all(row.get(column) in values for column, values in meta["select"].items())


def selected(row, meta):
    baseline = meta["with_baseline"] and row.get("is_baseline")
    return (chosen(row, meta) or baseline) and all(row.get(column) is not None for column in meta["needs"])


def panels(summary, spec):
    """One bound specification a (run, group, value of the columns to split by) that has rows. Ratios to different baselines
    share neither a panel nor a scale.

    Yields {run, group, name, title, spec}; `name` is unique within the figure and fit for a file name.
    """
    meta = spec["usermeta"]
    if meta.get("of") == "profile":
        yield from panels_of_profile(summary, spec)
        return
    if meta.get("across"):
        yield from panels_across(summary, spec)
        return
    found = list(panels_by_run(summary, meta))
    for panel in found:
        rows = [row for other in found if other["baseline"] == panel["baseline"] for row in other["tables"][meta["table"]]]
        panel["tables"]["extent"] = extent_of(rows, meta.get("shared", {}))
        yield {**panel, "spec": bind(spec, panel["tables"], panel["lines"], panel["mark"])}


def panels_by_run(summary, meta):
    for run in summary["runs"]:
        for group in run["groups"]:

            def of_group(row):
                return row["run"] == run["id"] and row["group"] == group["id"]

            tables = {name: [r for r in summary["tables"][name] if of_group(r)] for name in TABLES[:4]}
            tables["ceilings"] = [c for c in summary["tables"]["ceilings"] if of_machine(c, run, group)]
            rows = [r for r in tables[meta["table"]] if selected(r, meta)]
            values = [sorted({r[column] for r in rows}) for column in meta["split"]]
            baselines = sorted({r["baseline"] for r in rows}) if meta.get("by_baseline") else [None]
            for *part, baseline in itertools.product(*values, baselines):
                mine = dict(zip(meta["split"], part))

                def of_part(row):
                    return ((baseline is None or row.get("baseline") == baseline)
                            and (all(row[column] == value for column, value in mine.items())
                                 or meta["with_baseline"] and row.get("is_baseline")))

                bound = {name: [r for r in table if name == "ceilings" or (selected_beside(r, meta) and of_part(r))]
                         for name, table in tables.items()}
                bound[meta["table"]] = [r for r in rows if of_part(r)]
                if not any(chosen(row, meta) for row in bound[meta["table"]]):
                    continue  # a baseline alone is no figure
                title = ", ".join([group["heading"], *(f"{value} forms" for value in part), *([f"against {baseline}"] if baseline else [])])
                several = [re.sub(r"\W+", "-", baseline)] if len(baselines) > 1 else []
                yield {"run": run["id"], "group": group["id"], "title": f"{title}, {run['machine']}",
                       "name": "-".join([run["id"], group["id"], *part, *several]), "baseline": baseline,
                       "tables": bound, "lines": [title, run["machine"]], "mark": mark_of(run)}


def extent_of(rows, shared):
    """The least and the greatest value over all panels of a figure: panels of several machines have one scale."""
    also = shared.get("also", {})
    found = {axis: [value for value in [also.get(axis), *(row[column] for row in rows for column in columns)] if value and value > 0]
             for axis, columns in shared.items() if axis != "also"}
    return [{axis: choose(values) for axis, values in found.items()} for choose in (min, max)] if rows else []


def panels_across(summary, spec):
    """One panel a problem that more than one run measured, with the rows of all of them at the longest N that all have."""
    meta, problems = spec["usermeta"], {}
    for run in summary["runs"]:
        for group in run["groups"]:
            key = tuple(group[fact] for fact in ("scope", "dtype", "phase", "condition", "batch", "num_q_heads", "head_dim_qk"))
            rows = [r for r in summary["tables"]["kernels"] if r["run"] == run["id"] and r["group"] == group["id"] and selected(r, meta)]
            if rows:
                problems.setdefault(key, []).append((run, group, rows))
    for parts in problems.values():
        runs = [run["id"] for run, _, _ in parts]
        common = set.intersection(*({row["seqlen"] for row in rows} for _, _, rows in parts))
        if len(set(runs)) == 1 or not common:
            continue
        longest = max(common)
        kernels = [{**row, "machine": row["machine"] + (f", {group['threads']} threads" if runs.count(run["id"]) > 1 else "")}
                   for run, group, rows in parts for row in rows if row["seqlen"] == longest]
        group = parts[0][1]
        lines = [f"{group['scope']} {group['dtype']}, {group['phase']}, N = {longest}",
                 f"{group['num_q_heads']} heads, head_dim {group['head_dim_qk']}"]
        yield {"run": "", "group": group["id"], "title": ", ".join(lines), "name": f"machines-{group['id']}",
               "spec": bind(spec, {"kernels": kernels}, lines, "Runs that are not for publication are named so above.")}


def panels_of_profile(summary, spec):
    """One panel a value of the columns to split by, of the profile that the summary was made with; none without one."""
    meta, profile = spec["usermeta"], summary.get("profile")
    rows = summary["tables"][meta["table"]] if profile else []
    certificate = profile["certificate"] if profile and profile["certificate"] else {}
    means = certificate.get("summaries", [])
    marks = [] if not profile or profile["runs"] else [profile["belongs"]]
    if meta["table"] == "regrets" and "problem" in certificate:
        marks.append(f"The certificate does not hold here: {certificate['problem']}.")
    for part in dict.fromkeys(tuple(row[column] for column in meta["split"]) for row in rows):
        mine = [row for row in rows if tuple(row[column] for column in meta["split"]) == part]
        title = ", ".join(words_of(column, value) for column, value in zip(meta["split"], part))
        tables = {meta["table"]: mine, "means": [entry["regret"] for entry in means if entry["shapes"] == mine[0].get("shapes")]}
        yield {"run": "", "group": title, "title": f"{title}, {profile['machine']}", "name": f"profile-{re.sub('[^A-Za-z0-9]+', '-', title)}",
               "spec": bind(spec, tables, [title, profile["machine"]], " ".join(marks), rows)}


def words_of(column, value):
    """A value of a column that profile panels are split by, as it stands in their titles."""
    if column == "threads":
        return f"{value} thread{'' if value == 1 else 's'}"
    return {"decode": "decode of one query", "drawn": "problems drawn over the ranges of tuning",
            "traffic": "problems of the traffic given"}.get(value, value)


def profile_words(summary, spec):
    """What the profile says of a figure, as texts; none for other figures."""
    words = summary.get("profile", {}).get(spec["usermeta"].get("words"), [])
    return [words] if isinstance(words, str) else words


def of_machine(ceiling, run, group):
    """The ceilings that the roofline of a group shows: its device's, on the CPU its threads'; its element type and f32."""
    return (ceiling["run"] == run["id"] and ceiling["device"] == group["device"]
            and (group["device"] != "cpu" or ceiling["threads"] == group["threads"])
            and ceiling["dtype"] in ("", "f32", group["dtype"]))


def selected_beside(row, meta):
    """Whether a row of a table other than the figure's own belongs to what the figure shows."""
    return selected(row, {**meta, "needs": []})


def bind(spec, tables, title, mark, legend_rows=None):
    """`legend_rows`: those whose kernels the legend names, where they are more than the panel's own."""
    meta = spec["usermeta"]
    bound = copy.deepcopy(spec)
    bound["datasets"] = tables
    column = meta.get("legend", "family")
    drawn = dict.fromkeys("baseline" if column == "family" and row.get("is_baseline") else row.get(column)
                          for row in legend_rows or tables[meta["table"]])
    values = {"drawn": sorted(drawn) if legend_rows else list(drawn), "highest": max((row.get("y", 0) for row in tables.get("extent", [])), default=0)}
    for parameter in bound.get("params", []):
        parameter["value"] = values[parameter["name"]]
    bound["title"] = {"text": [line for text in title for line in textwrap.wrap(text, TITLE_CHARACTERS)],
                      "subtitle": textwrap.wrap(mark, MARK_CHARACTERS)}
    return bound

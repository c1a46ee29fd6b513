#!/usr/bin/env python3
"""Usage: tools/readme_tables.py PROGRAM [--check]

Writes the tables of README.md and data/README.md that hold results: whatever stands between `<!-- table NAME -->` and
`<!-- end -->`, from the data sets under data/ as PROGRAM (build/release/attnbench) analyzes them. With --check it
writes nothing and fails where a table is not what it would write.
"""
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
LAYER, CORE, XEON, XEON_BF16 = "paper-layer-f32-zen3", "paper-core-f32-zen3", "paper-core-f32-xeon-amx", "paper-core-bf16-xeon-amx"
SPEC = "paper-spec-xeon-amx"
SHOWN = ("mha", "swa(w=64)", "block_sparse(bs=32,globals=1)", "linear", "causal_linear")


def summary(program, name, folder):
    """summary.json of a data set."""
    for end in (".csv", ".env.json"):
        (folder / (name + end)).write_bytes(gzip.decompress((TOP / "data" / (name + end + ".gz")).read_bytes()))
    out = folder / (name + ".json")
    done = subprocess.run([program, "analyze", folder / (name + ".csv"), "--out", out], capture_output=True)
    if done.returncode not in (0, 3):
        sys.exit(f"analyze {name}: exit code {done.returncode}\n{done.stderr.decode()}")
    return json.loads(out.read_text())


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def digits(value):
    """Three significant ones."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value < 1 else f"{value:.{1 if value >= 10 else 2}f}"


def interval(value):
    return "" if value is None else f"{digits(value['estimate'])} [{digits(value['low'])}, {digits(value['high'])}]"


def results(data):
    """Some kernels of one data set at N = 512 and 1024, the default path of each."""
    group = data["runs"][0]["groups"][0]
    default = {(row["kernel"], row["seqlen"]) for row in data["tables"]["kernels"] if row["default_path"]}
    cells = [cell for cell in group["cells"] if cell["seqlen"] in (512, 1024)]
    header = ["kernel"]
    for cell in cells:
        n = f"N = {cell['seqlen']}"
        header += [f"{n}: a query sees", "µs", "× unfused dense", "× fastest dense", "verdict"]
    rows = {}
    for cell in cells:
        for k in cell["kernels"]:
            if k["status"] != "ok" or k["mechanism"] not in SHOWN or (k["id"], cell["seqlen"]) not in default:
                continue
            marks = "".join(mark for mark, there in ((" wide", k["wide"]), (" modes", k["modes"])) if there)
            ratio = "baseline" if k["is_baseline"] else interval(k["ratio"]) + marks
            dense = "dense" if k["id"] == group["dense"] else interval(k["to_dense"])
            if k["mechanism"].startswith("causal"):
                dense = "not measured" if group["causal_dense"] in (None, "") else dense
            rows.setdefault(k["id"], [f"`{k['id']}`"]).extend(
                [k["function"], digits(k["seconds"]["estimate"] * 1e6), ratio, dense, k["verdict_words"] or "–"])
    return table(header, rows.values())


def claims(columns):
    """One row a finding: what it says, and its headline in each (heading, summary, form)."""
    rows = []
    for index, claim in enumerate(columns[0][1]["claims"]):
        row = [str(claim["number"]), claim["title"], claim["published"]["text"]]
        for _, data, form in columns:
            answers = [a for a in data["claims"][index]["answers"] if a["form"] == form]
            row.append(headline(answers[0]) if answers else "–")
        rows.append(row)
    return table(["#", "headline", "published"] + [heading for heading, _, _ in columns], rows)


def headline(answer):
    values = ", ".join(part["estimate_text"] for part in answer["headline"] if part["estimate_text"])
    words = f"{answer['verdict']}<br>{values}" if values else answer["verdict"]
    return words + (f"<br>details: {answer['details_text']}" if answer["details_text"] else "")


def standing(datasets):
    rows = []
    for name, data in datasets.items():
        run = data["runs"][0]
        cells = [cell for group in run["groups"] for cell in group["cells"]]
        kernels = sum(k["ratio"] is not None and not k["is_baseline"] for cell in cells for k in cell["kernels"])
        judged = sorted({cell["judged_processes"] for cell in cells})
        effect = run["rejected_effect"]
        withheld = [f"{group['heading']}, N = {cell['seqlen']}" for group in run["groups"] for cell in group["cells"] if cell["withheld"]]
        rows.append([
            f"`{name}`", f"`{run['command']}`" if run["command"] else "", {None: run["standing"]}.get(run["publishable"], run["publishable"]),
            ", ".join(map(str, judged)), f"{run['noise']['rejected']} of {run['noise']['processes']}",
            f"{len(run['wide'])} of {kernels}" if run["publishable"] else "–",
            f"{effect['verdicts']}; {effect['others']} others, {effect['withheld']} withheld, {effect['more']} more" if effect else "–",
            "; ".join(run["marks"] or withheld) or "–"])
    return table(["dataset", "command", "publishable", "processes judged, a cell", "rejected", "ratios to the baseline wider than ±2 %",
                  "verdicts given; with the rejected", "withheld"], rows)


def tables(program):
    with tempfile.TemporaryDirectory() as folder:
        data = {name: summary(program, name, pathlib.Path(folder)) for name in (LAYER, CORE, XEON, XEON_BF16, SPEC)}
    columns = [("layer f32, Zen 3", data[LAYER], "published"), ("its fastest kernels", data[LAYER], "best"),
               ("core f32, Zen 3", data[CORE], "published"), ("core f32, Xeon", data[XEON], "published"),
               ("core bf16, Xeon", data[XEON_BF16], "published")]
    return {"results-f32": results(data[XEON]), "results-bf16": results(data[XEON_BF16]), "claims": claims(columns),
            "standing": standing(data)}


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    made = tables(program)
    stale = []
    for file in (TOP / "README.md", TOP / "data" / "README.md"):
        old = file.read_text()
        new = re.sub(r"(<!-- table (\S+) -->\n).*?(?=<!-- end -->)",
                     lambda found: f"{found[1]}\n{made[found[2]]}\n\n", old, flags=re.S)
        if new == old:
            continue
        stale.append(str(file.relative_to(TOP)))
        if "--check" not in sys.argv:
            file.write_text(new)
    if stale and "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: not what tools/readme_tables.py writes")


main()

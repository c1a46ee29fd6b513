#!/usr/bin/env python3
"""Usage: tools/readme_tables.py PROGRAM [--check]
       tools/readme_tables.py PROGRAM --peers STORE...
       tools/readme_tables.py PROGRAM --bars STORE...

Writes the tables of README.md, data/README.md, docs/results.md and docs/performance.md that hold results: whatever stands
between `<!-- table NAME -->` and `<!-- end -->`, from the data sets under data/ as PROGRAM (build/release/attnbench) analyzes
them. With --check it writes nothing and fails where a table is not what it would write. Every data set named peers-*
has its columns in the tables of other engines, every one named mlx-* one among the claims, and every one named bars-*, of
the study gpu_bars, its table of bars. With --peers or --bars it prints those tables as these stores give them.
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
SPEC, GPU, GPU_DECODE, GPU_LONG = "paper-spec-xeon-amx", "gpu-paper-h200", "gpu-decode-h200", "gpu-long-h200"
LABELS = {"zen3": "Zen 3", "xeon-amx": "Xeon with AMX", "xeon-amx-bf16": "Xeon with AMX, bf16", "h200": "H200",
          "h200-cudnn": "H200, with cuDNN itself and MLX", "zen4": "Zen 4"}
PEERS_ON_THE_FIRST_SCREEN = 6
SHOWN = ("mha", "swa(w=64)", "block_sparse(bs=32,globals=1)", "linear", "causal_linear")


def unpacked(name, folder):
    """The data set as a file that the program reads."""
    for end in (".csv", ".env.json"):
        (folder / (name + end)).write_bytes(gzip.decompress((TOP / "data" / (name + end + ".gz")).read_bytes()))
    return folder / (name + ".csv")


def output(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr.decode()}")
    return json.loads(done.stdout)


def summary(program, name, folder):
    """summary.json of a data set."""
    return output(program, "analyze", unpacked(name, folder), "--json")


def named(prefix):
    """Data sets whose names begin so, by what follows."""
    ends = sorted(file.name.removesuffix(".csv.gz") for file in (TOP / "data").glob(f"{prefix}-*.csv.gz"))
    return {LABELS.get(name.removeprefix(f"{prefix}-"), name.removeprefix(f"{prefix}-")): name for name in ends}


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def digits(value):
    """Three significant ones."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value < 1 else f"{value:.{1 if value >= 10 else 2}f}"


def interval(value):
    """An estimate of one process has none."""
    if value is None or value["low"] is None:
        return "" if value is None else digits(value["estimate"])
    return f"{digits(value['estimate'])} [{digits(value['low'])}, {digits(value['high'])}]"


def marks(kernel):
    return "".join(mark for mark, there in ((" wide", kernel["wide"]), (" modes", kernel["modes"])) if there)


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
            ratio = "baseline" if k["is_baseline"] else interval(k["ratio"]) + marks(k)
            dense = "dense" if k["id"] == group["dense"] else interval(k["to_dense"])
            if k["mechanism"].startswith("causal"):
                dense = "not measured" if group["causal_dense"] in (None, "") else dense
            rows.setdefault(k["id"], [f"`{k['id']}`"]).extend(
                [k["function"], digits(k["seconds"]["estimate"] * 1e6), ratio, dense, k["verdict_words"] or "–"])
    return table(header, rows.values())


def answer(data):
    """The fastest kernel of each shown mechanism at N = 1024."""
    group = data["runs"][0]["groups"][0]
    default = {(row["kernel"], row["seqlen"]) for row in data["tables"]["kernels"] if row["default_path"]}
    cell = next(cell for cell in group["cells"] if cell["seqlen"] == 1024)
    rows = []
    for mechanism in SHOWN:
        mine = [k for k in cell["kernels"] if k["mechanism"] == mechanism and k["status"] == "ok" and (k["id"], 1024) in default]
        k = min(mine, key=lambda kernel: kernel["seconds"]["estimate"])
        dense = "dense" if k["id"] == group["dense"] else interval(k["to_dense"])
        if mechanism.startswith("causal") and group["causal_dense"] in (None, ""):
            dense = "not measured"
        rows.append([f"`{mechanism}`", k["function"], f"`{k['id'].split('/', 1)[1]}`", digits(k["seconds"]["estimate"] * 1e6),
                     interval(k["ratio"]) + marks(k), dense, k["verdict_words"] or "–"])
    return table(["mechanism", "a query sees", "fastest kernel", "µs", "× unfused dense", "× fastest dense", "verdict"], rows)


def time_and_ratio(kernel):
    ratio = "baseline" if kernel["is_baseline"] else interval(kernel["ratio"]) + marks(kernel)
    return f"{time_text(kernel['seconds']['estimate'])}<br>{ratio} {kernel['verdict_words'] or ''}".rstrip()


def fastest(data):
    """Group by group, of each mechanism the fastest kernel at each N: its time, and its ratio to the cell's baseline."""
    parts = []
    for group in data["runs"][0]["groups"]:
        mechanisms = list(dict.fromkeys(k["mechanism"] for cell in group["cells"] for k in cell["kernels"]))
        rows = []
        for mechanism in mechanisms:
            row = [f"`{mechanism}`"]
            for cell in group["cells"]:
                timed = [k for k in cell["kernels"] if k["mechanism"] == mechanism and k["status"] == "ok" and not k["unranked"]]
                if not timed:
                    row.append("–")
                    continue
                k = min(timed, key=lambda kernel: kernel["seconds"]["estimate"])
                row.append(f"`{k['id'].split('/', 1)[1]}` {time_and_ratio(k)}")
            rows.append(row)
        baselines = sorted({cell["baseline"] for cell in group["cells"]})
        parts.append(f"`{group['heading']}`, ratios to {' or '.join(f'`{b}`' for b in baselines)}\n\n"
                     + table(["mechanism"] + [f"N = {cell['seqlen']}" for cell in group["cells"]], rows))
    return "\n\n".join(parts)


def every_kernel(data):
    """Group by group, each kernel at each N: its time, and its ratio to the cell's baseline."""
    parts = []
    for group in data["runs"][0]["groups"]:
        rows = {}
        for cell in group["cells"]:
            for k in cell["kernels"]:
                if k["status"] != "ok":
                    continue
                rows.setdefault(k["id"], {})[cell["seqlen"]] = time_and_ratio(k)
        lengths = [cell["seqlen"] for cell in group["cells"]]
        parts.append(f"`{group['heading']}`\n\n" + table(["kernel"] + [f"N = {n}" for n in lengths],
                     [[f"`{kernel}`"] + [cells.get(n, "–") for n in lengths] for kernel, cells in rows.items()]))
    return "\n\n".join(parts)


def claims_in_short(columns):
    """One row a finding: what was published, and the verdict on its headline with the measured value."""
    rows = []
    for index, claim in enumerate(columns[0][1]["claims"]):
        row = [str(claim["number"]), claim["title"], claim["published"]["text"]]
        for _, data, form in columns:
            answers = [a for a in data["claims"][index]["answers"] if a["form"] == form]
            row.append(headline(answers[0]).split("<br>details")[0] if answers else "–")
        rows.append(row)
    return table(["#", "headline", "published: MLX on an M4"] + [heading for heading, _, _ in columns], rows)


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


NO_PEERS = "No data set holds kernels of other engines yet; `attnbench run peers --peers` measures them."


def time_text(seconds):
    unit, factor = ("s", 1) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
    return f"{digits(seconds * factor)} {unit}"


def runs_of(datasets):
    """(label, run) of each run, labelled by its data set."""
    return [(label, run) for label, data in datasets.items() for run in data["runs"]]


def peers_in_short(datasets):
    """An engine a row: how ours stands against it on each machine."""
    runs = runs_of(datasets)
    engines = {}
    for index, (_, run) in enumerate(runs):
        for engine in run["peers"]["engines"]:
            if not engine["missing"]:
                engines.setdefault(engine["engine"], {})[index] = engine
    if not engines:
        return NO_PEERS

    def cases(engine):
        return sum(engine[key] for key in ("ahead", "tied", "behind", "undecided"))

    def cell(engine):
        if engine is None:
            return "–"
        words = [f"{engine[key]} {word}" for key, word in
                 (("ahead", "ahead"), ("tied", "tied"), ("behind", "behind"), ("undecided", "not decided")) if engine[key]]
        return f"{', '.join(words)}<br>{digits(engine['lowest_ratio'])} to {digits(engine['highest_ratio'])}"

    order = sorted(engines, key=lambda name: (-sum(cases(e) for e in engines[name].values()), name))
    rows = [[f"`{name}`"] + [cell(engines[name].get(index)) for index in range(len(runs))]
            for name in order[:PEERS_ON_THE_FIRST_SCREEN]]
    return table(["their time / ours"] + [label for label, _ in runs], rows)


def peer_text(rows):
    """Of one engine in one cell and mechanism, a kernel a line."""
    def line(row):
        kernel = row["kernel"].rsplit("/", 1)[1].split("@")[0]
        if row["ratio"] is None:
            return f"`{kernel}` {time_text(row['seconds']['estimate'])}" if row["seconds"] else f"`{kernel}` {row['status']}"
        return f"`{kernel}` {interval(row['ratio'])} {'modes, ' if row['modes'] else ''}{row['standing']}"
    return "<br>".join(line(row) for row in rows if row["status"] != "unsupported") or "–"


def peers_in_full(datasets):
    """Every cell and mechanism in which another engine has a time, data set by data set."""
    parts = []
    for label, run in runs_of(datasets):
        rows = run["peers"]["rows"]
        if not any(row["seconds"] for row in rows):
            continue
        engines = list(dict.fromkeys(row["engine"] for row in rows if row["seconds"]))
        cases = {}
        for row in rows:
            cases.setdefault((row["group"], row["seqlen"], row["mechanism"]), []).append(row)
        headings = {group["id"]: group["heading"] for group in run["groups"]}
        lines = []
        for (group, seqlen, mechanism), mine in cases.items():
            if not any(row["seconds"] for row in mine):
                continue
            ours = mine[0]["our_seconds"]
            lines.append([headings[group], str(seqlen), f"`{mine[0]['ours'] or mechanism}`", time_text(ours["estimate"]) if ours else "–"]
                         + [peer_text([row for row in mine if row["engine"] == engine]) for engine in engines])
        absent = [f"{e['engine']} ({e['missing']})" for e in run["peers"]["engines"] if e["missing"]]
        parts.append(f"### {label}\n\n{run['machine']}; `{run['command'] or run['study']['name']}`"
                     + (f"; {run['mark']}" if run["mark"] else "") + ".\n\n"
                     + table(["cells", "N", "ours", "time"] + [f"`{engine}`" for engine in engines], lines)
                     + "\n\nKernels that do not support a cell are left out there."
                     + (f" Without a ratio: {'; '.join(absent)}." if absent else ""))
    return "\n\n".join(parts) or NO_PEERS


def peers_behind(datasets):
    """Where ours is shown to be slower, the worst first."""
    rows = [(row["ratio"]["estimate"], label, row, run) for label, run in runs_of(datasets)
            for row in run["peers"]["rows"] if row["standing"] == "behind"]
    if not rows:
        return "None." if any(run["peers"]["rows"] for _, run in runs_of(datasets)) else NO_PEERS
    return table(["machine", "cell", "ours", "other", "their time / ours"],
                 [[label, f"`{row['cell_id']}`", f"`{row['ours']}`", f"`{row['kernel']}`", interval(row["ratio"])]
                  for _, label, row, _ in sorted(rows, key=lambda entry: entry[0])])


# What engine cuda is to reach on an H200 at the cells of studies/gpu_bars.toml: (shape, mechanism, its part of the cell's id,
# microseconds). In place of microseconds: of the time of another maker's kernel in the same cell, so many times.
CUTE = "cute@flash_attention"
BARS = [
    ("decode q=8, 64/8 heads, D=128, S=131072", "gqa(kv=8)", "b1-h64-q8-kv131072-d128", 140),
    ("decode q=2, 32/8, S=131072", "gqa(kv=8)", "b1-h32-q2-kv131072-d128", 140),
    ("decode q=1, 32/8, S=131072", "gqa(kv=8)", "b1-h32-q1-kv131072-d128", 140),
    ("decode q=1, 32/8, S=4096", "gqa(kv=8)", "b1-h32-q1-kv4096-d128", 8),
    ("decode q=8, 32/8, S=4096", "gqa(kv=8)", "b1-h32-q8-kv4096-d128", 9),
    ("decode q=1, 32/8, S=1024", "gqa(kv=8)", "b1-h32-q1-kv1024-d128", 6),
    ("decode B=32, q=1, 32/8, S=8192", "gqa(kv=8)", "b32-h32-q1-kv8192-d128", 252),
    ("swa(64), B1 H8 D64, N=512", "swa(w=64)", "b1-h8-q512-kv512-d64", 5),
    ("swa(64), B1 H8 D64, N=1024", "swa(w=64)", "b1-h8-q1024-kv1024-d64", 5),
    ("swa(128), B1 H8 D64, N=8192", "swa(w=128)", "b1-h8-q8192-kv8192-d64", 16),
    ("swa(256), B2 H16 D128, N=8192", "swa(w=256)", "b2-h16-q8192-kv8192-d128", 110),
    ("block_sparse(128,1), B1 H16 D128, N=32768", "block_sparse(bs=128,globals=1)", "b1-h16-q32768-kv32768-d128", 220),
    ("block_sparse(32,1), B1 H8 D64, N=1024", "block_sparse(bs=32,globals=1)", "b1-h8-q1024-kv1024-d64", 7),
    ("causal_linear, B1 H8 D64, N=1024", "causal_linear", "b1-h8-q1024-kv1024-d64", 10),
    ("causal_linear, B1 H8 D64, N=4096", "causal_linear", "b1-h8-q4096-kv4096-d64", 24),
    ("causal_linear, B1 H16 D128, N=32768", "causal_linear", "b1-h16-q32768-kv32768-d128", 330),
    ("linear, B1 H16 D128, N=32768", "linear", "b1-h16-q32768-kv32768-d128", 250),
    ("dense, B2 H16 D128, N=8192", "mha", "b2-h16-q8192-kv8192-d128", (CUTE, 1 / 0.7)),
    ("dense, B2 H16 D64, N=8192", "mha", "b2-h16-q8192-kv8192-d64", (CUTE, 1 / 0.7)),
]
NO_BARS = ("No data set holds these shapes yet: `attnbench run gpu_bars --plugin peers/pytorch.py,peers/flash_attention.py,"
           "peers/flash_linear_attention.py` measures them.")


def microseconds(kernel):
    """Its time, or why it has none."""
    mark = " less exact" if kernel["unranked"].startswith("less exact") else ""
    return digits(kernel["seconds"]["estimate"] * 1e6) + mark if kernel["seconds"] else kernel["status"]


def bar_row(bar, cells):
    """Of the cells of one shape by their condition: ours, the fastest other one, and whether the hot time reaches the bar."""
    shape, mechanism, _, limit = bar
    row, met = [], "not measured"

    def by_time(kernel):
        return kernel["seconds"]["estimate"] if kernel["seconds"] else float("inf")

    for condition in ("hot", "cold"):
        kernels = [k for k in cells.get(condition, {"kernels": []})["kernels"] if k["mechanism"] == mechanism]
        ours = sorted((k for k in kernels if k["id"].endswith("@cuda")), key=by_time)
        others = [k for k in kernels if not k["id"].endswith("@cuda") and k["status"] != "unsupported"]
        timed = sorted((k for k in others if k["seconds"]), key=by_time)
        without = [f"`{k['id'].split('/', 1)[1]}` {k['status']}" for k in others if not k["seconds"]]
        row += [microseconds(ours[0]) if ours else "–",
                "<br>".join([f"`{k['id'].split('/', 1)[1]}` {microseconds(k)}" for k in timed[:1]] + without) or "–"]
        if condition == "hot":
            reach = limit
            if isinstance(limit, tuple):
                theirs = [k for k in timed if k["id"].endswith(limit[0])]
                reach = theirs[0]["seconds"]["estimate"] * 1e6 * limit[1] if theirs else None
            if ours and ours[0]["seconds"] and reach:
                met = "yes" if ours[0]["seconds"]["estimate"] * 1e6 <= reach else "no"
    reach = f"{1 / limit[1]:.0%} of the rate of `{limit[0]}`" if isinstance(limit, tuple) else f"{limit}"
    return [shape, reach, *row, met]


def bars(datasets):
    """Engine cuda's bars, a shape a row, data set by data set."""
    parts = []
    for label, data in datasets.items():
        cells = {}
        for cell in (cell for run in data["runs"] for group in run["groups"] for cell in group["cells"]):
            found = re.search(r"-(hot|cold)-bf16-(?:bhsd|bshd)-(b\d+-h\d+-q\d+-kv\d+-d\d+)-", cell["cell_id"])
            if found:
                cells.setdefault(found[2], {})[found[1]] = cell
        rows = [bar_row(bar, cells[bar[2]]) for bar in BARS if bar[2] in cells]
        if rows:
            runs = ["; ".join(filter(None, [f"`{run['command'] or run['study']['name']}`", run["mark"]])) for run in data["runs"]]
            parts.append(f"### {label}\n\n{data['runs'][0]['machine']}; {' and '.join(dict.fromkeys(runs))}. Microseconds.\n\n"
                         + table(["shape", "bar", "hot", "best other", "cold", "best other", "met, hot"], rows))
    return "\n\n".join(parts) or NO_BARS


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
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        data = {name: summary(program, name, folder) for name in (LAYER, CORE, XEON, XEON_BF16, SPEC)}
        gpu = summary(program, GPU, folder)
        decode, long = summary(program, GPU_DECODE, folder), summary(program, GPU_LONG, folder)
        peers = {label: summary(program, name, folder) for label, name in named("peers").items()} | {"H200, study `gpu_paper`": gpu}
        reached = {label: summary(program, name, folder) for label, name in named("bars").items()}
        mlx = [(f"MLX, {label}", output(program, "claims", unpacked(name, folder), "--engine", "mlx", "--json"), "published")
               for label, name in named("mlx").items()]
    columns = [("layer f32, Zen 3", data[LAYER], "published"), ("its fastest kernels", data[LAYER], "best"),
               ("core f32, Zen 3", data[CORE], "published"), ("core f32, Xeon", data[XEON], "published"),
               ("core bf16, Xeon", data[XEON_BF16], "published")]
    ours_on_gpu = [("layer f32, H200", gpu, "published"), ("its fastest kernels, H200", gpu, "best")]
    # Of MLX on the H200 nothing is decided: its threads make its times.
    short = [column for column in mlx if column[0] != "MLX, H200"] + [columns[0], columns[-1], ours_on_gpu[0]]
    columns = columns[:2] + mlx + columns[2:] + ours_on_gpu
    return {"answer": answer(data[XEON_BF16]), "claims-short": claims_in_short(short),
            "peers": peers_in_short(peers), "peers-full": peers_in_full(peers), "peers-behind": peers_behind(peers), "bars": bars(reached),
            "results-f32": results(data[XEON]), "results-bf16": results(data[XEON_BF16]), "claims": claims(columns), "results-gpu": fastest(gpu),
            "results-gpu-decode": every_kernel(decode), "results-gpu-long": every_kernel(long),
            "standing": standing(data)}


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    if sys.argv[2:3] == ["--peers"]:
        stores = {pathlib.Path(store).stem: output(program, "analyze", store, "--json") for store in sys.argv[3:]}
        print(peers_in_short(stores), peers_behind(stores), peers_in_full(stores), sep="\n\n")
        return
    if sys.argv[2:3] == ["--bars"]:
        print(bars({pathlib.Path(store).stem: output(program, "analyze", store, "--json") for store in sys.argv[3:]}))
        return
    made = tables(program)
    stale = []
    for file in (TOP / "README.md", TOP / "data" / "README.md", TOP / "docs" / "results.md", TOP / "docs" / "performance.md"):
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


if __name__ == "__main__":
    main()

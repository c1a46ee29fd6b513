"""Summaries for the tests: of a small measured run beside the published means, and changed copies of one."""

import copy
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent
PROGRAM = sys.argv.pop(1)
STORES = [str(HERE / "small.csv"), str(SOURCE / "data" / "m4_mlx_published.csv")]


def attnbench(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def summary_of_stores(folder):
    file = Path(folder) / "summary.json"
    attnbench("analyze", *STORES, "--out", file)
    return json.loads(file.read_text())


def write(folder, name, summary):
    file = Path(folder) / name
    file.write_text(json.dumps(summary))
    return file


CHANGED_KERNEL = "swa(w=64)/masked@cpu"


def kernel_of(summary):
    """The kernel that `changed` changes: of the first group, at its longest N."""
    return next(k for k in summary["runs"][0]["groups"][0]["cells"][-1]["kernels"] if k["id"] == CHANGED_KERNEL)


def changed(summary):
    """A copy in which the mean and its interval of one kernel in one cell are half as long again."""
    other = copy.deepcopy(summary)
    kernel = kernel_of(other)
    cell = other["runs"][0]["groups"][0]["cells"][-1]["cell_id"]
    row = next(r for r in other["tables"]["kernels"] if r["cell_id"] == cell and r["kernel"] == CHANGED_KERNEL)
    for bound in ("estimate", "low", "high"):
        kernel["seconds"][bound] *= 1.5
        row["seconds" if bound == "estimate" else f"seconds_{bound}"] *= 1.5
    return other


def as_on_a_mac(summary):
    """A copy whose first run has the noise that macOS tells: no steal, pressure or throttling; the first process is flagged."""
    other = copy.deepcopy(summary)
    noise = other["runs"][0]["noise"]
    for number, process in enumerate(noise["by_process"]):
        process.update(steal_share="not readable", pressure_share="not readable", throttled_periods="not readable", valid=True,
                       thermal_state="fair" if number == 0 else "nominal", low_power_mode=False, efficiency_core_share=0.2 / (number + 1),
                       flags=["thermal state 'fair'"] if number == 0 else [])
    noise["flags"] = [{"flag": "thermal state 'fair'", "count": 1}]
    return other

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


def on_a_device(summary):
    """A copy whose first run has its groups on a device; the CPU's ceilings are below all points, the device's above them."""
    other = copy.deepcopy(summary)
    run = other["runs"][0]
    run["environment"]["devices"] = {"cuda:0": {"identity": {"model": "Test GPU", "memory_bytes": "8589934592", "driver": "1.2"}}}
    for group in run["groups"]:
        group["device"] = "cuda:0"
    facts = {"bytes": None, "dtype": "", "operation": "", "path": ""}
    run["ceilings"] = [
        {**facts, "device": "cpu", "quantity": "flops", "dtype": "f32", "operation": "fma", "path": "avx2", "threads": 2, "value": 1e3, "unit": "FLOP/s"},
        {**facts, "device": "cpu", "quantity": "copy", "bytes": 1 << 31, "threads": 2, "value": 1e3, "unit": "bytes/s"},
        {**facts, "device": "cuda:0", "quantity": "flops", "dtype": "f32", "operation": "product", "path": "lt", "threads": 1, "value": 5e13, "unit": "FLOP/s"},
        {**facts, "device": "cuda:0", "quantity": "copy", "bytes": 1 << 24, "threads": 1, "value": 7e12, "unit": "bytes/s"},
        {**facts, "device": "cuda:0", "quantity": "copy", "bytes": 1 << 30, "threads": 1, "value": 4e12, "unit": "bytes/s"}]
    other["tables"]["ceilings"] = [{**row, "run": run["id"], "machine": run["machine"]} for row in run["ceilings"]]
    return other


PROFILE_KERNELS = ["fused@cpu:avx2", "fused@cpu:portable", "unfused@cpu"]


def with_profile(summary, *, trusted=True, certified=True, certificate_problem=None):
    """A copy with a profile of its first run's machine. Choices: the last kernel up to N = 16, the second to 512, then the first,
    whose ties are at 1024 and whose time is not known at 16384. Regrets: 20 problems, every fourth with 1.5 % for another kernel,
    one of 40 % and one of -20 %; the mean is said to be 1.1 %. `certificate_problem`: what keeps it from holding."""
    other = copy.deepcopy(summary)
    run = other["runs"][0]
    problem = {"mechanism": "mha", "dtype": "f32", "threads": 2, "num_q_heads": 8, "num_kv_heads": 8, "group_size": 1, "head_dim": 64}
    choices = []
    for phase, exponents in (("prefill", range(15)), ("decode", range(7, 17))):
        for batch in (1, 4, 16):
            for n in (2 ** exponent for exponent in exponents):
                kernel = PROFILE_KERNELS[2 if n <= 16 else 1 if n <= 512 else 0]
                known = n != 16384
                choices.append({**problem, "phase": phase, "batch": batch, "seqlen": n, "seqlen_q": n if phase == "prefill" else 1,
                                "kernel": kernel, "label": f"{'ABC'[PROFILE_KERNELS.index(kernel)]} {kernel}", "is_default": n > 512,
                                "reason": "faster", "seconds": n * 1e-6 if known else None, "seconds_low": n * 0.98e-6 if known else None,
                                "seconds_high": n * 1.02e-6 if known else None, "tied": PROFILE_KERNELS[1:2] if n == 1024 else []})
    regrets = []
    for number in range(20):
        regret = {5: 0.4, 7: -0.2}.get(number, 0.015 if number % 4 == 0 else 0.001 * (number - 10))
        regrets.append({**problem, "phase": "prefill", "batch": 3, "seqlen": 101, "seqlen_q": 101, "shapes": "drawn", "words": "mha in f32",
                        "weight": 1.0, "chosen": PROFILE_KERNELS[0], "default": PROFILE_KERNELS[1],
                        "best": PROFILE_KERNELS[1 if regret > 0.01 else 0], "regret": regret, "regret_low": regret - 0.01,
                        "regret_high": regret + 0.01, "naive_regret": max(0.0, regret)})
    words = "On 20 problems the mean regret is 1.10 % (95 % CI 0.40 % to 1.80 %), shown to be at most 2 %."
    certificate = {"measured_utc": "2026-01-02T03:04:05Z", "processes": 80, "rejected": 1, "summaries": [
        {"shapes": "drawn", "problems": 20, "regret": {"estimate": 0.011, "low": 0.004, "high": 0.018}, "naive_regret": 0.02,
         "shown_ratio": 1.08, "shown_faster": 1, "not_the_default": 9, "slower_than_default": 0, "half_difference": 0.01}]}
    if certificate_problem:
        certificate["problem"] = certificate_problem
    other["profile"] = {"state": "trusted" if trusted else "foreign", "machine_key": run["study"]["machine_key"], "device": "cpu",
                        "library": "0123", "environment": {}, "machine": run["machine"], "runs": [run["id"]], "times": 1234,
                        "belongs": "Measured on the machine of the run here.",
                        "choices_words": "Of 75 problems, another kernel is chosen in 45." if trusted else "The profile is foreign.",
                        "regret_words": [words if certified else "The profile holds no certificate."],
                        "certificate": certificate if certified else None}
    other["tables"].update(choices=choices if trusted else [], regrets=regrets if certified else [])
    return other

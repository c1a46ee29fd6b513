#!/usr/bin/env python3
"""Usage: check_run.py ENV_JSON SUMMARY_JSON PATH_OF_BF16 PATH_OF_F16

Fails unless the exported run of emulated.toml timed in every process of every cell the dense and the linear kernels, found
their outputs right again after timing, and computed dense bf16 and f16 on the named paths, or (named portable) on that
alone; and unless the analysis has a time of each.
"""
import json
import sys

environment, summary, *paths = sys.argv[1:]
expected = {"f32": "portable", "bf16": paths[0], "f16": paths[1]}
(run,) = json.load(open(environment))["runs"]
wrong = [f"failed: {failure}" for failure in run["failures"]]
if {cell["shape"]["dtype_q"] for cell in run["cells"]} != set(expected):
    wrong.append(f"cells are {[cell['cell_id'] for cell in run['cells']]}")
for cell in run["cells"]:
    path = expected[cell["shape"]["dtype_q"]]
    name = cell["cell_id"]
    if len(cell["processes"]) != 2:
        wrong.append(f"{name} has {len(cell['processes'])} processes, not 2")
    for process in cell["processes"]:
        timed = {kernel for kernel in process["kernels"] if kernel != "alias"}
        fused = {kernel for kernel in timed if kernel.startswith("mha/fused@cpu:")}
        if fused != {f"mha/fused@cpu:{p}" for p in ("portable", path)}:
            wrong.append(f"{name} timed {sorted(fused)}, not path portable and {path}")
        # bf16 products are missing there: oneDNN has them with AVX-512 alone, and the baseline is products in f32.
        bf16 = name.startswith("core-prefill-hot-bf16-")
        unfused = {"mha/unfused_f32@cpu"} if bf16 else {"mha/unfused@cpu", "linear/two_gemm@cpu"}
        if timed - fused != unfused | {"linear/fused@cpu:portable"}:
            wrong.append(f"{name} timed {sorted(timed)}")
        wrong += [f"{name}: {kernel} is not right after timing" for kernel in sorted(timed)
                  if not process["kernels"][kernel]["recheck"]["passed"]]
text = open(summary).read()
wrong += [f"{name} is not in the analysis" for name in ("mha/unfused@cpu", f"mha/fused@cpu:{paths[0]}", f"mha/fused@cpu:{paths[1]}")
          if name not in text]
sys.exit("\n".join(wrong) or None)

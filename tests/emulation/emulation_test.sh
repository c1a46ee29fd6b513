#!/usr/bin/env bash
# Usage: emulation_test.sh ATTNBENCH
# Runs the release program on an emulated Nehalem, the oldest machine it promises to run on (x86-64-v2: no AVX).
# An AVX instruction that leaked out of a shared inline function ends it with SIGILL. The CPU has no bf16 products:
# a bf16 cell there has products in f32 as its baseline, alone and in a layer.
set -euo pipefail
program=$1
emulator='qemu-x86_64 -cpu Nehalem'
emulate() { OMP_NUM_THREADS=1 $emulator "$program" "$@"; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "== list"
emulate list
echo "== verify"
emulate verify --all --shapes 3 --dtype f32 --launcher "$emulator"
emulate verify --shapes 3 --dtype bf16 --kernel unfused_f32@cpu --launcher "$emulator"
echo "== bf16 cells"
# Told its CPU, a worker does not start itself again, which would be outside the emulator.
cpu=$(grep Cpus_allowed_list /proc/self/status | grep -o '[0-9]*' | head -1)
printf '#!/bin/sh\nexport OMP_NUM_THREADS=1\nexec %s "$@" --cpus %s\n' "$emulator" "$cpu" > "$folder/launcher"
chmod +x "$folder/launcher"
emulate run smoke --dtype bf16 --mechanism mha --kernel fused@cpu --threads 1 --processes 2 --blocks 2 \
  --accept-noise --quiet --launcher "$folder/launcher" --out "$folder/s.db"
emulate analyze "$folder/s.db"
emulate analyze "$folder/s.db" --json > "$folder/summary.json"
python3 - "$folder/summary.json" << 'END'
import json
import sys

groups = json.load(open(sys.argv[1]))["runs"][0]["groups"]
assert sorted(group["cells"][0]["cell_id"].split("-")[0] for group in groups) == ["core", "layer"], groups
for group in groups:
    cell = group["cells"][0]
    assert cell["baseline"] == "mha/unfused_f32@cpu", cell["baseline"]
    kernels = {kernel["id"]: kernel for kernel in cell["kernels"]}
    assert "AVX-512" in kernels["mha/unfused@cpu"]["reason"], kernels["mha/unfused@cpu"]
    assert kernels["mha/fused@cpu:portable"]["ratio"]["estimate"] > 0, kernels["mha/fused@cpu:portable"]
END

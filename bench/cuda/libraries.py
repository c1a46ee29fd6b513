#!/usr/bin/env python3
"""Times of libraries at the shapes of studies/gpu_bars.toml through the engines of peers/, without AttnBench's verification: what a
library takes also where its kernel fails AttnBench's hard inputs. One JSON object a line.

    libraries.py [--engine NAME] [--warm] [--device cpu --small]

hot_us: over one set of tensors, graphs of 32 calls; rotated_us: sets in turn that are 150 MB together, a graph a call.
error: |o - ref| / |ref| on 64 rows, ref in float64 of the same bf16 inputs.
"""
import argparse
import importlib.util
import json
import pathlib
import statistics
import sys
import time

PEERS = pathlib.Path(__file__).resolve().parents[2] / "peers"
sys.path.insert(0, str(PEERS))
import attnbench_torch  # noqa: E402
import attnbench_peer as peer  # noqa: E402
import numpy as np  # noqa: E402

SCALED = {"dtype_q": "bf16", "dtype_kv": "bf16", "dtype_o": "bf16", "scope": "core", "seqlens_kv": [], "causal": False,
          "window": 0, "block_size": 0, "globals": 0, "eps": 1e-6, "d_model": 0}


def problem(mechanism, batch, heads, kv, n_q, n_kv, d, layout, **more):
    return {**SCALED, "mechanism": mechanism, "batch": batch, "num_q_heads": heads, "num_kv_heads": kv, "seqlen_q": n_q,
            "seqlen_kv": n_kv, "head_dim_qk": d, "head_dim_v": d, "layout": layout, "softmax_scale": d ** -0.5,
            "phase": "decode" if n_q != n_kv else "prefill", **more}


def prefill(mechanism, batch, heads, n, d, **more):
    return problem(mechanism, batch, heads, heads, n, n, d, "bshd", **more)


def decode(batch, heads, q, n, kv=8):
    return problem("gqa", batch, heads, kv, q, n, 128, "bhsd")


SHAPES = {
    "decode q=8, 64/8, S=131072": decode(1, 64, 8, 131072), "decode q=2, 32/8, S=131072": decode(1, 32, 2, 131072),
    "decode q=1, 32/8, S=131072": decode(1, 32, 1, 131072), "decode q=1, 32/8, S=4096": decode(1, 32, 1, 4096),
    "decode q=8, 32/8, S=4096": decode(1, 32, 8, 4096), "decode q=1, 32/8, S=1024": decode(1, 32, 1, 1024),
    "decode B32 q=1, 32/8, S=8192": decode(32, 32, 1, 8192),
    "swa(64) B1 H8 D64 N=512": prefill("swa", 1, 8, 512, 64, window=64),
    "swa(64) B1 H8 D64 N=1024": prefill("swa", 1, 8, 1024, 64, window=64),
    "swa(128) B1 H8 D64 N=8192": prefill("swa", 1, 8, 8192, 64, window=128),
    "swa(256) B2 H16 D128 N=8192": prefill("swa", 2, 16, 8192, 128, window=256),
    "block_sparse(128,1) B1 H16 D128 N=32768": prefill("block_sparse", 1, 16, 32768, 128, block_size=128, globals=1),
    "block_sparse(32,1) B1 H8 D64 N=1024": prefill("block_sparse", 1, 8, 1024, 64, block_size=32, globals=1),
    "causal_linear B1 H8 D64 N=1024": prefill("causal_linear", 1, 8, 1024, 64),
    "causal_linear B1 H8 D64 N=4096": prefill("causal_linear", 1, 8, 4096, 64),
    "causal_linear B1 H16 D128 N=32768": prefill("causal_linear", 1, 16, 32768, 128),
    "linear B1 H16 D128 N=32768": prefill("linear", 1, 16, 32768, 128),
    "dense B2 H16 D128 N=8192": prefill("mha", 2, 16, 8192, 128), "dense B2 H16 D64 N=8192": prefill("mha", 2, 16, 8192, 64),
}
SMALL = {
    "decode": decode(1, 8, 2, 96, 2), "swa": prefill("swa", 1, 2, 160, 16, window=33), "mha": prefill("mha", 2, 2, 96, 32),
    "causal swa": prefill("swa", 1, 2, 160, 16, window=33, causal=True),
    "block_sparse": prefill("block_sparse", 1, 2, 200, 16, block_size=24, globals=2),
    "causal block_sparse": prefill("block_sparse", 1, 2, 200, 16, block_size=24, globals=2, causal=True),
    "linear": prefill("linear", 2, 2, 96, 16), "causal_linear": prefill("causal_linear", 1, 2, 192, 32),
}
WANTED = ("flash", "cudnn", "flex", "compiled", "cute", "chunk")


def engine(name):
    spec = importlib.util.spec_from_file_location(name, PEERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tensors(p, seed):
    generator = np.random.default_rng(seed)
    made = {}
    for role in "qkvo":
        heads = p["num_q_heads"] if role in "qo" else p["num_kv_heads"]
        rows = p["seqlen_q"] if role in "qo" else p["seqlen_kv"]
        sizes = (p["batch"], heads, rows, p["head_dim_qk"])
        if p["layout"] == "bshd":
            sizes = sizes[0], sizes[2], sizes[1], sizes[3]
        # Repeated where it is long, at no power of two.
        values = np.full(sizes, np.nan, np.float32)
        if role != "o":
            values = np.resize(generator.standard_normal(min(values.size, (1 << 23) + 12345), dtype=np.float32), sizes)
        array = ((values.view(np.uint32) + 0x8000) >> 16).astype(np.uint16)
        made[role] = array if p["layout"] == "bhsd" else array.transpose(0, 2, 1, 3)
    return made


def floats(array):
    return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def error_of(p, made):
    rows = 64 if p["seqlen_kv"] <= 8192 else 8
    generator = np.random.default_rng(7)
    group = p["num_q_heads"] // p["num_kv_heads"]
    keys, off, norm = p["seqlen_kv"], 0.0, 0.0
    picked = {(0, 0, 0), (p["batch"] - 1, p["num_q_heads"] - 1, p["seqlen_q"] - 1)}
    while len(picked) < min(rows, p["batch"] * p["num_q_heads"] * p["seqlen_q"]):
        picked.add(tuple(int(generator.integers(n)) for n in (p["batch"], p["num_q_heads"], p["seqlen_q"])))
    for b, h, i in picked:
        q, k, v = floats(made["q"][b, h, i]), floats(made["k"][b, h // group]), floats(made["v"][b, h // group])
        j, position = np.arange(keys), i + keys - p["seqlen_q"]
        if "linear" in p["mechanism"]:
            phi = lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))  # noqa: E731
            weights = phi(k) @ phi(q)
            weights = np.where(j <= position, weights, 0) if p["mechanism"] == "causal_linear" else weights
            expected = weights @ v / (weights.sum() + p["eps"])
        else:
            seen = j >= 0
            if p["mechanism"] == "swa":
                left, right = (p["window"] - 1, 0) if p["causal"] else (p["window"] // 2,) * 2
                seen = (j >= position - left) & (j <= position + right)
            elif p["mechanism"] == "block_sparse":
                seen = (j // p["block_size"] == position // p["block_size"]) | (j < p["globals"]) | (position < p["globals"])
            if p["causal"]:
                seen = seen & (j <= position)
            scores = np.where(seen, k @ q * p["softmax_scale"], -np.inf)
            weights = np.exp(scores - scores.max())
            expected = weights @ v / weights.sum()
        got = floats(made["o"][b, h, i])
        off += float(((got - expected) ** 2).sum())
        norm += float((expected ** 2).sum())
    return (off / norm) ** 0.5


def median_us(execution, bindings, runs, times):
    return round(statistics.median(execution.seconds(bindings, runs) for _ in range(times)) / runs * 1e6, 2)


def measure(kernel, name, p, made, arguments):
    row = {"shape": name, "kernel": kernel.name, "mechanism": p["mechanism"]}
    reason = kernel.supports(p, arguments.device, 1)
    if reason:
        return {**row, "unsupported": reason}
    made["o"][...] = 0x7fc0  # NaN
    start = time.perf_counter()
    execution = kernel.prepare(p, arguments.device, 1)
    binding = execution.bind(made)
    first = execution.seconds([binding], 1)
    row["first_s"] = round(time.perf_counter() - start, 2)
    if arguments.warm:
        return row
    binding.read("o")
    row["error"] = float(f"{error_of(p, made):.3g}")
    runs = max(32, min(512, int(0.01 / max(first, 1e-6)) // 32 * 32))
    if arguments.small:
        runs = 4
    row["hot_us"] = median_us(execution, [binding], runs, 7)
    row["hot_again_us"] = median_us(execution, [binding], runs, 7)
    size = sum(array.size * 2 for array in made.values())
    if size < 75e6 and not arguments.small:
        bindings = [binding] + [execution.bind(made) for _ in range(int(150e6 // size))]
        row["rotated_us"] = median_us(execution, bindings, max(32, len(bindings)) // len(bindings) * len(bindings), 7)
    row["ran"], row["known_by"] = execution.implementation()
    if hasattr(kernel, "traces_device") and kernel.traces_device and not row["ran"]:
        row["ran"] = "not recognised"
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--small", action="store_true")
    arguments = parser.parse_args()
    for engine_name in [arguments.engine] if arguments.engine else ["flash_linear_attention", "flash_attention", "pytorch"]:
        module = engine(engine_name)
        if module.UNAVAILABLE:
            print(json.dumps({"engine": engine_name, "unavailable": module.UNAVAILABLE}), flush=True)
            continue
        for name, p in (SMALL if arguments.small else SHAPES).items():
            made = None
            for kernel in module.KERNELS:
                if kernel.device != arguments.device.split(":")[0] or kernel.name not in WANTED or p["mechanism"] not in kernel.mechanisms:
                    continue
                if kernel.name == "flex" and p["mechanism"] in ("mha", "gqa") and not arguments.small:
                    continue
                try:
                    made = made or tensors(p, 1)
                    row = measure(kernel, name, p, made, arguments)
                except Exception as error:
                    row = {"shape": name, "kernel": kernel.name, "error": f"{type(error).__name__}: {error}"[:300]}
                print(json.dumps({"engine": engine_name, **row}), flush=True)


main()

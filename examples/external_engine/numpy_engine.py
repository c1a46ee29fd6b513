#!/usr/bin/env python3
import json, mmap, sys, time
import numpy as np

def array(t):  # of f32, in the memory that descriptor 3 shares
    count = sum((n - 1) * s for n, s in zip(t["sizes"], t["strides"])) + 1
    flat = np.frombuffer(mmap.mmap(3, 4 * count, offset=t["offset"]), np.float32, count)
    return np.lib.stride_tricks.as_strided(flat, t["sizes"], [4 * s for s in t["strides"]])

def attend(p, t):
    scores = p["softmax_scale"] * (t["q"] @ t["k"].swapaxes(2, 3))
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    np.matmul(weights / weights.sum(-1, keepdims=True), t["v"], out=t["o"])

def answer(m, problems={}, tensors={}):
    if m["type"] == "hello":
        kernel = {"kernel": "three_operations", "mechanisms": ["mha"], "implementation": "attend"}
        return {"protocol": 1, "engine": "mine", "versions": {"numpy": np.__version__}, "kernels": [kernel]}
    if m["type"] == "supports":
        p = m["problem"]
        plain = {p["dtype_q"], p["dtype_kv"], p["dtype_o"]} == {"f32"} and p["scope"] == "core"
        plain = plain and p["seqlen_q"] <= p["seqlen_kv"] and not p["seqlens_kv"] and not p["causal"]
        return {"reason": "" if plain else "computes f32 without a mask alone"}
    if m["type"] == "prepare": problems[m["execution"]] = m["problem"]
    if m["type"] == "bind": tensors[m["binding"]] = {role: array(t) for role, t in m["tensors"].items()}
    if m["type"] == "release": tensors.pop(m.get("binding"), None)
    if m["type"] == "time":
        p, sets, start = problems[m["execution"]], [tensors[b] for b in m["bindings"]], time.perf_counter()
        for n in range(m["runs"]): attend(p, sets[n % len(sets)])
        return {"seconds": time.perf_counter() - start, "runs": m["runs"]}
    return {"ran": "attend", "known_by": "it is the only code here"} if m["type"] == "implementation" else {}

names = {"prepare": "prepared", "bind": "bound", "time": "timed", "release": "released"}
for message in map(json.loads, sys.stdin):
    print(json.dumps({"type": names.get(message["type"], message["type"]), **answer(message)}), flush=True)

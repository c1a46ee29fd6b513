#!/usr/bin/env python3
"""PyTorch as an engine, on CPUs and, path `cuda`, on CUDA devices: scaled_dot_product_attention with a backend forced, three
eager operations, FlexAttention compiled, where a compiler is, and linear attention by its operations compiled.

    attnbench run --plugin peers/pytorch.py
    attnbench run --plugin peers/pytorch.py --device cuda:0 --kernel @pytorch:cuda

Masks are made when tensors are bound, aligned to the last key; for FlexAttention they are block masks. Grouped heads are
PyTorch's (enable_gqa) where a backend has them; `_expanded` stands in the name of a kernel that repeats K and V before it calls
one that has not. Products of f32 are not computed in TF32.
"""
import importlib.metadata
import json
import os
import shutil
import types

import attnbench_torch as shared  # before attnbench_peer, which takes this folder off the path
import attnbench_peer as peer

if peer.CPUS:  # its pool is OpenMP's, which binds
    os.environ.setdefault("OMP_PROC_BIND", "true")
    os.environ.setdefault("OMP_PLACES", ",".join(f"{{{cpu}}}" for cpu in peer.CPUS))

UNAVAILABLE = peer.need("numpy", "torch", how="`PYTORCH=1 tools/setup.sh peers` installs it")
VERSIONS = {} if UNAVAILABLE else {name: importlib.metadata.version(name) for name in ("numpy", "torch")}

# What a trace shows of each, in the order in which it is looked for.
OPERATORS = {
    "flash": "aten::_scaled_dot_product_flash_attention",
    "efficient": "aten::_scaled_dot_product_efficient_attention",
    "cudnn": "aten::_scaled_dot_product_cudnn_attention",
    "math": "aten::_scaled_dot_product_attention_math",
}
EAGER = "aten::matmul, aten::softmax"
COMPILED = "a compiled region"


def needs_mask(p):
    return p["causal"] or p["mechanism"] in ("swa", "block_sparse")


def mask(p, keys, device):
    """(seqlen_q, keys), true where a key is seen; None where all are."""
    if not needs_mask(p):
        return None
    i = torch.arange(p["seqlen_q"], device=device)[:, None]
    return peer.visible(p, keys, i, torch.arange(keys, device=device)[None, :])


def additive(p, keys, device, dtype):
    seen = mask(p, keys, device)
    return None if seen is None else torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, float("-inf"))


def expand(x, heads):
    return x.repeat_interleave(heads // x.shape[1], dim=1)


class Kernel(shared.Kernel):
    mechanisms = ["mha", "gqa", "mqa", "swa"]

    def __init__(self, name, implementation, device, dtypes=("f32", "bf16")):
        super().__init__(name, implementation, device, dtypes)
        self.path = "" if device == "cpu" else device

    def load(self):
        global torch
        super().load()
        import torch

    def what_ran(self, names):
        for operator in OPERATORS.values():
            if any(name.startswith(operator) for name in names):
                return operator
        if any("Torch-Compiled Region" in name for name in names) and "aten::_softmax" not in names:
            return COMPILED
        return EAGER if {"aten::matmul", "aten::softmax"} <= names else ""


class Sdpa(Kernel):
    def __init__(self, name, device, dtypes=("f32", "bf16"), mechanisms=None, masked=True, expands=False, one_size=True):
        super().__init__(name + ("_expanded" if expands else ""), OPERATORS[name], device, dtypes)
        self.mechanisms = mechanisms or Kernel.mechanisms
        self.backend, self.masked, self.expands, self.one_size = name, masked, expands, one_size

    def why_not(self, problem):
        if self.one_size and problem["head_dim_qk"] != problem["head_dim_v"]:
            return "takes one head size"
        unequal = problem["seqlen_q"] != problem["seqlen_kv"]
        triangle = problem["causal"] and problem["mechanism"] != "swa" and not unequal
        if self.name == "flash" and self.device == "cpu" and triangle and problem["softmax_scale"] < 0:
            return "its causal form gives nan where the scale is negative"
        if not self.masked and (problem["mechanism"] == "swa" or (problem["causal"] and unequal)):
            return "takes no mask but the causal one of equal lengths"
        return ""

    def chosen(self):
        from torch.nn.attention import SDPBackend, sdpa_kernel
        names = {"flash": "FLASH_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "cudnn": "CUDNN_ATTENTION", "math": "MATH"}
        return sdpa_kernel(getattr(SDPBackend, names[self.backend]))

    def attention(self, p, q, k, v):
        keys = k.shape[2]
        triangle = p["causal"] and p["mechanism"] != "swa" and p["seqlen_q"] == keys
        bias = None if triangle else additive(p, keys, q.device, q.dtype)
        grouped = k.shape[1] != q.shape[1]
        attend = torch.nn.functional.scaled_dot_product_attention
        options = {"scale": p["softmax_scale"], "is_causal": triangle, "attn_mask": bias}
        if grouped and self.expands:
            return lambda: attend(q, expand(k, q.shape[1]), expand(v, q.shape[1]), **options)
        return lambda: attend(q, k, v, enable_gqa=grouped, **options)


class Eager(Kernel):
    def attention(self, p, q, k, v):
        keys, scale = k.shape[2], p["softmax_scale"]
        seen = mask(p, keys, q.device)
        hidden = None if seen is None else ~seen
        batch, heads, queries, _ = q.shape
        groups = k.shape[1]
        if groups != heads:
            # The queries of a group are rows of one product.
            hidden = None if hidden is None else hidden.repeat(heads // groups, 1)

        def attend():
            rows = q if groups == heads else q.reshape(batch, groups, heads // groups * queries, -1)
            scores = torch.matmul(rows, k.transpose(-2, -1)) * scale
            if hidden is not None:
                scores = scores.masked_fill(hidden, float("-inf"))
            output = torch.matmul(torch.softmax(scores, dim=-1), v)
            return output if groups == heads else output.reshape(batch, heads, queries, -1)
        return attend


class Compiled(Kernel):
    """What torch.compile makes of function(problem, keys, device), once for a problem: it takes seconds."""

    def __init__(self, name, device):
        super().__init__(name, COMPILED, device)
        self.compiled = {}

    def why_not(self, problem):
        if self.device == "cpu" and shutil.which("g++") is None and shutil.which("c++") is None:
            return "compiles C++, and there is no compiler"
        return ""

    def attention(self, p, q, k, v):
        key = json.dumps(p, sort_keys=True), k.shape[2], str(q.device), torch.get_num_threads()
        if key not in self.compiled:
            function = self.function(p, k.shape[2], q.device)
            # What is compiled for a function is sought among all that was compiled for its code: each has code of its own.
            code = function.__code__.replace(co_name=f"attend_{len(self.compiled)}")
            own = types.FunctionType(code, function.__globals__, code.co_name, None, function.__closure__)
            self.compiled[key] = torch.compile(own, dynamic=False, fullgraph=True)
        attend = self.compiled[key]
        return lambda: attend(q, k, v)


class Flex(Compiled):
    mechanisms = [*Kernel.mechanisms, "block_sparse"]

    def function(self, p, keys, device):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        scale, grouped = p["softmax_scale"], p["num_kv_heads"] != p["num_q_heads"]
        blocks = None
        if needs_mask(p):
            blocks = create_block_mask(lambda b, h, i, j: peer.visible(p, keys, i, j), None, None, p["seqlen_q"], keys,
                                       device=device)

        def attend(q, k, v):
            return flex_attention(q, k, v, block_mask=blocks, scale=scale, enable_gqa=grouped)
        return attend


class Linear(Compiled):
    """phi before two products, their quotient after: products in the element type, sums and phi in f32."""
    mechanisms = ["linear"]

    def why_not(self, problem):
        grouped = problem["num_kv_heads"] != problem["num_q_heads"]
        return "has no grouped heads" if grouped else super().why_not(problem)

    def function(self, p, keys, device):
        eps = p["eps"]

        def attend(q, k, v):
            phi_q, phi_k = (torch.where(x > 0, x + 1, torch.exp(torch.clamp(x, max=0))) for x in (q.float(), k.float()))
            state = torch.matmul(phi_k.to(k.dtype).transpose(-2, -1), v)
            divisor = (phi_q * phi_k.sum(-2, keepdim=True)).sum(-1, keepdim=True) + eps
            return (torch.matmul(phi_q.to(q.dtype), state) / divisor).to(q.dtype)
        return attend


GROUPED = ["gqa", "mqa"]
KERNELS = [
    Sdpa("flash", "cpu"), Sdpa("math", "cpu", one_size=False), Eager("eager", EAGER, "cpu"), Flex("flex", "cpu"),
    Linear("compiled", "cpu"),
    Sdpa("flash", "cuda", ("bf16",), masked=False), Sdpa("cudnn", "cuda", ("bf16",), one_size=False),
    Sdpa("efficient", "cuda", mechanisms=["mha", "swa"], one_size=False),
    Sdpa("efficient", "cuda", mechanisms=GROUPED, expands=True, one_size=False),
    Sdpa("math", "cuda", one_size=False), Eager("eager", EAGER, "cuda"), Flex("flex", "cuda"),
    Linear("compiled", "cuda"),
]

if __name__ == "__main__":
    peer.serve("pytorch", KERNELS, VERSIONS, UNAVAILABLE)

#!/usr/bin/env python3
"""PyTorch on CPUs as an engine: scaled_dot_product_attention with a backend forced, three eager operations, and FlexAttention
compiled where a C++ compiler is.

    attnbench run --plugin peers/pytorch.py

What ran is read from the profiler's trace of one more call: the operators that attention dispatched to.
"""
import shutil

import attnbench_peer as peer

UNAVAILABLE = peer.need("numpy", "torch")
VERSIONS = {}
if not UNAVAILABLE:
    import numpy as np
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    VERSIONS = {"numpy": np.__version__, "torch": torch.__version__}

# By what each implementation is told in a trace.
FLASH = "aten::_scaled_dot_product_flash_attention_for_cpu"
MATH = "aten::_scaled_dot_product_attention_math"
EAGER = "aten::matmul, aten::softmax"
COMPILED = "FlexAttention, compiled"


def torch_of(array):
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


class Execution:
    def __init__(self, attention, problem, threads):
        self.attention, self.problem, self.threads = attention, problem, threads
        self.last = None

    def bind(self, tensors):
        q, k, v, o = (torch_of(tensors[role]) for role in ("q", "k", "v", "o"))
        attention, threads = self.attention, self.threads

        def call():
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                o.copy_(attention(q, k, v))
        self.last = call
        return call

    def implementation(self):
        if self.last is None:
            return "", ""
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as trace:
            self.last()
        names = {event.key for event in trace.key_averages()}
        known_by = "the profiler's trace of one more call"
        for name in (FLASH, MATH):
            if name in names:
                return name, known_by
        if any("flex_attention" in name or "Compiled" in name or "CompiledFxGraph" in name for name in names):
            return COMPILED, known_by
        if {"aten::matmul", "aten::softmax"} <= names:
            return EAGER, known_by
        return "", ""


class Kernel:
    mechanisms = ["mha"]

    def __init__(self, name, implementation):
        self.name, self.implementation = name, implementation

    def supports(self, problem, threads):
        return peer.why_not_core(problem, ("f32", "bf16"))

    def prepare(self, problem, threads):
        return Execution(self.attention(problem), problem, threads)


class Sdpa(Kernel):
    def __init__(self, name, implementation, backend):
        super().__init__(name, implementation)
        self.backend = backend

    def attention(self, problem):
        scale, causal, backend = problem["softmax_scale"], problem["causal"], getattr(SDPBackend, self.backend)

        def attend(q, k, v):
            with sdpa_kernel(backend):
                return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale, is_causal=causal)
        return attend


class Eager(Kernel):
    def attention(self, problem):
        scale = problem["softmax_scale"]
        hidden = None
        if problem["causal"]:
            sizes = (problem["seqlen_q"], problem["seqlen_kv"])
            hidden = torch.ones(sizes, dtype=torch.bool).triu(1)

        def attend(q, k, v):
            scores = torch.matmul(q, k.transpose(-2, -1)) * scale
            if hidden is not None:
                scores = scores.masked_fill(hidden, float("-inf"))
            return torch.matmul(torch.softmax(scores, dim=-1), v)
        return attend


class Flex(Kernel):
    mechanisms = ["mha", "swa", "gqa", "mqa"]

    def supports(self, problem, threads):
        if shutil.which("g++") is None and shutil.which("c++") is None:
            return "compiles C++, and there is no compiler"
        return super().supports(problem, threads)

    def attention(self, problem):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        causal, window, mechanism = problem["causal"], problem["window"], problem["mechanism"]
        mask = None
        if causal or mechanism == "swa":
            offset = problem["seqlen_kv"] - problem["seqlen_q"]

            def visible(b, h, i, j):
                at = i + offset
                if mechanism != "swa":
                    return j <= at
                if causal:
                    return (j <= at) & (j > at - window)
                return (j >= at - window // 2) & (j <= at + window // 2)
            mask = create_block_mask(visible, None, None, problem["seqlen_q"], problem["seqlen_kv"], device="cpu")
        compiled = torch.compile(flex_attention, dynamic=False, fullgraph=True)
        grouped = problem["num_kv_heads"] != problem["num_q_heads"]
        return lambda q, k, v: compiled(q, k, v, block_mask=mask, scale=problem["softmax_scale"], enable_gqa=grouped)


KERNELS = [Sdpa("flash", FLASH, "FLASH_ATTENTION"), Sdpa("math", MATH, "MATH"), Eager("eager", EAGER),
           Flex("flex", COMPILED)]

if __name__ == "__main__":
    peer.serve("pytorch", KERNELS, VERSIONS, UNAVAILABLE)

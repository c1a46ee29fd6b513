#!/usr/bin/env python3
"""PyTorch as an engine, on CPUs and, path `cuda`, on CUDA devices: scaled_dot_product_attention with a backend forced, three
eager operations, and FlexAttention compiled, where a compiler is.

    attnbench run --plugin peers/pytorch.py
    attnbench run --plugin peers/pytorch.py --device cuda:0 --kernel @pytorch:cuda

A call returns a tensor of its own, as PyTorch's do; it is copied to o when o is read. Masks are made when tensors are bound,
aligned to the last key; for FlexAttention they are block masks. Grouped heads are PyTorch's (enable_gqa) where a backend has
them; `_expanded` stands in the name of a kernel that repeats K and V before it calls one that has not. What ran is read from
the profiler's trace of one more call. On a CUDA device calls are replayed from a graph where they can be captured, between two
events; products of f32 are not computed in TF32.
"""
import contextlib
import importlib.metadata
import json
import logging
import os
import shutil
import types
import warnings

import attnbench_peer as peer

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else each trace is told on standard error
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # else a pool of processes

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
CALLS_IN_GRAPH = 32


def libraries():
    """PyTorch takes seconds to import: only who is asked about a problem does."""
    global np, torch
    import numpy as np
    import torch
    logging.getLogger("torch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Warning: Profiler clears events")  # of each trace


def heads_first(array):
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


def needs_mask(p):
    return p["causal"] or p["mechanism"] == "swa"


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


class Binding:
    """Calls on these tensors. `output` is what the last one returned; `replay` makes calls from a graph, where there is one."""

    def __init__(self, execution, arrays):
        self.execution, self.layout = execution, execution.problem["layout"]
        self.shared = {role: heads_first(array) for role, array in arrays.items()}
        self.inputs = [self.on_device(self.shared[role]) for role in "qkv"]
        self.attend = execution.kernel.attention(execution.problem, *self.inputs)
        self.output, self.replay = None, None

    def on_device(self, tensor):
        if self.execution.device.type == "cpu":
            return tensor
        if self.layout == "bhsd":
            return tensor.to(self.execution.device).contiguous()
        return tensor.transpose(1, 2).to(self.execution.device).contiguous().transpose(1, 2)

    def __call__(self):
        output = self.attend()
        # Of the layout that was asked for; PyTorch may prefer another.
        if self.layout == "bhsd":
            self.output = output.contiguous()
        else:
            self.output = output.transpose(1, 2).contiguous().transpose(1, 2)

    def held(self, role):
        """The tensor that calls use, where that is not the shared one."""
        tensor = self.output if role == "o" else self.inputs["qkv".index(role)]
        return None if tensor is self.shared[role] else tensor

    def write(self, role):
        with torch.inference_mode():
            if self.held(role) is not None:
                self.held(role).copy_(self.shared[role])

    def read(self, role):
        with torch.inference_mode():
            if self.held(role) is not None:
                self.shared[role].copy_(self.held(role))


class Replay:
    """Calls of a binding on a CUDA device, captured in graphs of so many."""

    def __init__(self, binding):
        self.graphs = {}
        for calls in (1, CALLS_IN_GRAPH):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(calls):
                    binding()
            self.graphs[calls] = graph, binding.output

    def __call__(self, binding, calls):
        graph, binding.output = self.graphs[calls]
        graph.replay()


class Execution:
    def __init__(self, kernel, problem, device, threads):
        self.kernel, self.problem, self.threads = kernel, problem, threads
        self.device = torch.device(device)
        self.last = None
        self.replayed = "" if self.device.type == "cpu" else "; timed between two events"

    def bind(self, arrays):
        self.use_threads()
        with torch.inference_mode():
            binding = Binding(self, arrays)
            if self.device.type == "cuda":
                self.capture(binding)
        self.last = binding
        return binding

    def use_threads(self):
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)

    def capture(self, binding):
        # What is done once is done before: autotuning, handles, workspaces.
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.device(self.device), self.kernel.chosen():
            with torch.cuda.stream(stream):
                for _ in range(3):
                    binding()
            torch.cuda.synchronize()
            try:
                binding.replay = Replay(binding)
                self.replayed = f"; timed by replays of a graph of {CALLS_IN_GRAPH} calls"
            except RuntimeError as error:
                torch.cuda.synchronize()
                self.replayed = f"; timed between two events, since it cannot be captured: {error}".splitlines()[0]

    def seconds(self, bindings, runs):
        self.last = bindings[0]
        self.use_threads()
        with torch.inference_mode(), self.kernel.chosen():
            if self.device.type == "cpu":
                return peer.seconds_of(bindings, runs)
            with torch.cuda.device(self.device):
                return self.seconds_on_device(bindings, runs)

    def seconds_on_device(self, bindings, runs):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        torch.cuda._sleep(1_000_000)  # until the first calls are enqueued
        start.record()
        single = runs
        if len(bindings) == 1 and bindings[0].replay:
            single = runs % CALLS_IN_GRAPH
        for n in range(single):
            binding = bindings[n % len(bindings)]
            if binding.replay:
                binding.replay(binding, 1)
            else:
                binding()
        for _ in range((runs - single) // CALLS_IN_GRAPH):
            bindings[0].replay(bindings[0], CALLS_IN_GRAPH)
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000

    def implementation(self):
        activity = torch.profiler.ProfilerActivity
        with torch.inference_mode(), self.kernel.chosen():
            output = self.last.output
            with torch.profiler.profile(activities=[activity.CPU]) as trace:
                self.last()
            self.last.output = output
        names = {event.key for event in trace.key_averages()}
        known_by = "the profiler's trace of one more call" + self.replayed
        for operator in OPERATORS.values():
            if any(name.startswith(operator) for name in names):
                return operator, known_by
        if any("Torch-Compiled Region" in name for name in names) and "aten::_softmax" not in names:
            return COMPILED, known_by
        if {"aten::matmul", "aten::softmax"} <= names:
            return EAGER, known_by
        return "", ""


class Kernel(peer.Kernel):
    copies = True  # o is read from what a call returned
    mechanisms = ["mha", "gqa", "mqa", "swa"]

    def __init__(self, name, implementation, device, dtypes=("f32", "bf16")):
        self.name, self.implementation, self.device, self.dtypes = name, implementation, device, dtypes
        self.path = "" if device == "cpu" else device

    def supports(self, problem, device, threads):
        reason = peer.why_not_core(problem, self.dtypes)
        if reason:
            return reason
        try:
            libraries()
        except (ImportError, OSError) as error:
            return f"PyTorch cannot be imported: {error}".splitlines()[0]
        if self.device == "cuda" and not torch.cuda.is_available():
            return "PyTorch finds no CUDA device"
        return self.why_not(problem)

    def why_not(self, problem):
        return ""

    def prepare(self, problem, device, threads):
        libraries()
        return Execution(self, problem, device, threads)

    def chosen(self):
        """While its context is entered, calls take the implementation that is this kernel's."""
        return contextlib.nullcontext()


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


class Flex(Kernel):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.compiled = {}

    def why_not(self, problem):
        if self.device == "cpu" and shutil.which("g++") is None and shutil.which("c++") is None:
            return "compiles C++, and there is no compiler"
        return ""

    def attention(self, p, q, k, v):
        keys = k.shape[2]
        # Once for a problem: it takes seconds.
        key = json.dumps(p, sort_keys=True), keys, str(q.device), torch.get_num_threads()
        if key not in self.compiled:
            self.compiled[key] = self.compile(p, keys, q.device)
        attend = self.compiled[key]
        return lambda: attend(q, k, v)

    def compile(self, p, keys, device):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        scale, grouped = p["softmax_scale"], p["num_kv_heads"] != p["num_q_heads"]
        blocks = None
        if needs_mask(p):
            blocks = create_block_mask(lambda b, h, i, j: peer.visible(p, keys, i, j), None, None, p["seqlen_q"], keys,
                                       device=device)

        def attend(q, k, v):
            return flex_attention(q, k, v, block_mask=blocks, scale=scale, enable_gqa=grouped)
        # What is compiled for a function is sought among all that was compiled for its code: each has code of its own.
        code = attend.__code__.replace(co_name=f"attend_{len(self.compiled)}")
        own = types.FunctionType(code, attend.__globals__, code.co_name, None, attend.__closure__)
        return torch.compile(own, dynamic=False, fullgraph=True)


GROUPED = ["gqa", "mqa"]
KERNELS = [
    Sdpa("flash", "cpu"), Sdpa("math", "cpu", one_size=False), Eager("eager", EAGER, "cpu"), Flex("flex", COMPILED, "cpu"),
    Sdpa("flash", "cuda", ("bf16",), masked=False), Sdpa("cudnn", "cuda", ("bf16",), one_size=False),
    Sdpa("efficient", "cuda", mechanisms=["mha", "swa"], one_size=False),
    Sdpa("efficient", "cuda", mechanisms=GROUPED, expands=True, one_size=False),
    Sdpa("math", "cuda", one_size=False), Eager("eager", EAGER, "cuda"), Flex("flex", COMPILED, "cuda"),
]

if __name__ == "__main__":
    peer.serve("pytorch", KERNELS, VERSIONS, UNAVAILABLE)

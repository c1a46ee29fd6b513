"""What engines written in Python share: the protocol of docs/external-kernels.md, and the loop that is timed.

An engine is a list of kernels; serve() answers AttnBench until it is told to stop. Needs numpy.

A kernel is a Kernel, with `name`, `mechanisms` (a list of kinds), `implementation` (what its trace must show) and
    supports(problem, device, threads) -> why it does not compute this; "" where it does
    prepare(problem, device, threads)  -> an object with
        bind(tensors)     -> a function that makes one call on these tensors: numpy arrays of four dimensions by role
        implementation()  -> (what ran, how that is known); ("", "") where that cannot be known
        perhaps seconds(calls, runs) -> how long so many calls took, the functions of bind() taking turns
Where the kernel says `copies`, what bind() returns has besides
    write(role), read(role): from the array to what the calls use, and back
A problem is the flat dictionary of the protocol. Elements of bf16 are uint16, their bits.
"""
import gc
import hashlib
import importlib.util
import itertools
import json
import mmap
import os
import pathlib
import platform
import sys
import time

PROTOCOL = 1
SHARED_MEMORY = 3  # the descriptor
# An engine's file may have the name of the library that it uses.
sys.path[:] = [entry for entry in sys.path if pathlib.Path(entry or ".").resolve() != pathlib.Path(__file__).resolve().parent]
# The CPUs this program was given, in order; those of all its threads, before it binds any. None where the system does not bind.
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
ENVIRONMENT = pathlib.Path(__file__).resolve().parent.parent / "build" / "peers-venv"


def a_cpu_each(threads):
    """CPUs for as many threads, to bind each to its own as AttnBench's are; None where there are not enough. Two threads that
    are woken are else put on one CPU, and wait for each other: a call of 0.8 ms took 4.7."""
    return CPUS[:threads] if CPUS and 1 < threads <= len(CPUS) else None


def need(*modules, how="`tools/setup.sh peers` installs it"):
    """Goes on in the environment that `tools/setup.sh peers` makes, if it is there and this one lacks a module. Returns why
    nothing can be computed here; "" where all modules can be imported."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    python = ENVIRONMENT / "bin" / "python"
    if missing and pathlib.Path(sys.prefix).resolve() != ENVIRONMENT.resolve() and python.exists():
        os.execv(python, [str(python), *sys.argv])
    return f"{', '.join(missing)} cannot be imported; {how}" if missing else ""


def array_of(tensor):
    """The tensor in the shared memory, as it lies there."""
    import numpy as np
    kind = np.dtype({"f32": np.float32, "bf16": np.uint16, "f16": np.float16}[tensor["dtype"]])
    elements = sum((size - 1) * stride for size, stride in zip(tensor["sizes"], tensor["strides"])) + 1
    memory = mmap.mmap(SHARED_MEMORY, elements * kind.itemsize, offset=tensor["offset"])
    flat = np.frombuffer(memory, kind, elements)
    return np.lib.stride_tricks.as_strided(flat, tensor["sizes"], [s * kind.itemsize for s in tensor["strides"]])


class Dense:
    """The memory of a tensor as libraries take it, without gaps: `array`, (batch, heads, sequence, head_dim) or, in layout
    bshd, (batch, sequence, heads, head_dim). Where the tensor has gaps it is another one, and each call copies."""

    def __init__(self, tensor, layout):
        import numpy as np
        self.tensor = tensor if layout == "bhsd" else tensor.transpose(0, 2, 1, 3)
        self.is_copy = not self.tensor.flags.c_contiguous
        self.array = np.empty(self.tensor.shape, self.tensor.dtype) if self.is_copy else self.tensor

    def copy_in(self):
        self.array[...] = self.tensor

    def copy_out(self):
        self.tensor[...] = self.array


def with_copies(call, inputs, output):
    """The call, with the copies that these Dense need before and after it."""
    before = [dense.copy_in for dense in inputs if dense.is_copy]
    after = [output.copy_out] if output.is_copy else []
    if not before and not after:
        return call

    def whole():
        for copy in before:
            copy()
        call()
        for copy in after:
            copy()
    return whole


def why_not_core(problem, dtypes=("f32",)):
    """Why a library that computes full-length attention in core scope, of one element type, does not compute this."""
    types = {problem["dtype_q"], problem["dtype_kv"], problem["dtype_o"]}
    if problem["scope"] != "core":
        return "computes the core alone, without projections"
    if len(types) != 1 or not types <= set(dtypes):
        return f"computes in {' and '.join(dtypes)} alone"
    if problem["seqlens_kv"]:
        return "computes full lengths alone"
    if problem["seqlen_q"] > problem["seqlen_kv"]:
        return "has no result for queries that stand before the first key"
    return ""


def visible(problem, keys, query=None, key=None):
    """Whether a query sees a key, both counted from 0 and perhaps arrays; of all pairs, (seqlen_q, keys), where none is
    named."""
    if query is None:
        import numpy as np
        query, key = np.arange(problem["seqlen_q"])[:, None], np.arange(keys)[None, :]
    position = query + keys - problem["seqlen_q"]
    if problem["mechanism"] == "block_sparse":
        size, globals_ = problem["block_size"], problem["globals"]
        seen = (position // size == key // size) | (key < globals_) | (position < globals_)
        return seen & (key <= position) if problem["causal"] else seen
    if problem["mechanism"] != "swa":
        return key <= position if problem["causal"] else key >= 0
    if problem["causal"]:
        return (key <= position) & (key > position - problem["window"])
    return (key >= position - problem["window"] // 2) & (key <= position + problem["window"] // 2)


def seconds_of(calls, runs):
    """Makes so many calls, the functions taking turns, and says how long all of them took."""
    if len(calls) == 1:
        call = calls[0]
        start = time.perf_counter()
        for _ in itertools.repeat(None, runs):
            call()
        return time.perf_counter() - start
    start = time.perf_counter()
    for call in itertools.islice(itertools.cycle(calls), runs):
        call()
    return time.perf_counter() - start


class Kernel:
    path = ""
    device = "cpu"  # the kind of device: its name before any ':'
    copies = False
    lse = False  # True: calls write lse where they are given it


class Engine:
    def __init__(self, name, kernels, versions, unavailable):
        self.name, self.kernels, self.versions, self.unavailable = name, kernels, versions, unavailable
        self.executions, self.bindings = {}, {}

    def kernel(self, message):
        return next(k for k in self.kernels
                    if k.name == message["kernel"] and k.path == message["path"])

    def hello(self, _):
        kernels = [{"kernel": k.name, "path": k.path, "mechanisms": k.mechanisms, "implementation": k.implementation,
                    "device": k.device, "copies": k.copies, "lse": k.lse} for k in self.kernels]
        files = [pathlib.Path(module.__file__) for name, module in sorted(sys.modules.items()) if name.startswith("attnbench_")]
        own = {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
        versions = {"python": platform.python_version(), **own, **self.versions}
        return {"type": "hello", "protocol": PROTOCOL, "engine": self.name, "versions": versions, "kernels": kernels,
                "unavailable": self.unavailable}

    def supports(self, message):
        reason = self.kernel(message).supports(message["problem"], message["device"], message["threads"])
        return {"type": "supports", "reason": reason}

    def prepare(self, message):
        gc.freeze()  # what libraries made is not sought through again and again
        execution = self.kernel(message).prepare(message["problem"], message["device"], message["threads"])
        self.executions[message["execution"]] = execution
        return {"type": "prepared"}

    def bind(self, message):
        tensors = {role: array_of(tensor) for role, tensor in message["tensors"].items()}
        call = self.executions[message["execution"]].bind(tensors)
        self.bindings[message["binding"]] = call, tensors  # libraries keep addresses alone
        return {"type": "bound"}

    def write(self, message):
        self.bindings[message["binding"]][0].write(message["role"])
        return {"type": "written"}

    def read(self, message):
        self.bindings[message["binding"]][0].read(message["role"])
        return {"type": "read"}

    def time(self, message):
        calls = [self.bindings[binding][0] for binding in message["bindings"]]
        seconds = getattr(self.executions[message["execution"]], "seconds", seconds_of)
        return {"type": "timed", "seconds": seconds(calls, message["runs"]), "runs": message["runs"]}

    def implementation(self, message):
        ran, known_by = self.executions[message["execution"]].implementation()
        return {"type": "implementation", "ran": ran, "known_by": known_by}

    def release(self, message):
        self.bindings.pop(message.get("binding"), None)
        if self.executions.pop(message.get("execution"), None) is not None:
            gc.collect()
        return {"type": "released"}


def serve(name, kernels, versions, unavailable=""):
    """Answers AttnBench until its end. What a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.disable()  # a collection would fall into a timed call
    engine = Engine(name, kernels, versions, unavailable)
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "stop":
            return
        try:
            answer = getattr(engine, message["type"])(message)
        except Exception as error:
            answer = {"type": "error", "reason": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

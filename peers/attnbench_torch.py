"""What engines share that compute by PyTorch: calls on its tensors, on a CUDA device on copies there. There calls are replayed
from a graph where they can be captured, between two events. What ran is read from the profiler's trace of one more call. A
call returns a tensor of its own, as PyTorch's do; it is copied to o when o is read.

A kernel is a Kernel, with what attnbench_peer.Kernel has and
    why_not(problem)             -> why it does not compute this; "" where it does
    attention(problem, q, k, v)  -> a function without arguments that returns o; all (batch, heads, sequence, head_dim)
    what_ran(names)              -> what it was, of the names in the trace; "" where they do not show it
"""
import contextlib
import logging
import os
import warnings

import attnbench_peer as peer

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else each trace is told on standard error
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # else a pool of processes
CALLS_IN_GRAPH = 32


def heads_first(array):
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if array.dtype == np.uint16 else tensor


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
        traced = [activity.CPU, activity.CUDA] if self.kernel.traces_device else [activity.CPU]
        with torch.inference_mode(), self.kernel.chosen():
            output = self.last.output
            with torch.profiler.profile(activities=traced) as trace:
                self.last()
                if self.kernel.traces_device:
                    torch.cuda.synchronize(self.device)
            self.last.output = output
        ran = self.kernel.what_ran({event.key for event in trace.key_averages()})
        return (ran, "the profiler's trace of one more call" + self.replayed) if ran else ("", "")


class Kernel(peer.Kernel):
    copies = True  # o is read from what a call returned
    traces_device = False  # True: the trace has the device's kernels too

    def __init__(self, name, implementation, device, dtypes):
        self.name, self.implementation, self.device, self.dtypes = name, implementation, device, dtypes

    def load(self):
        """PyTorch takes seconds to import: only who is asked about a problem does."""
        global np, torch
        import numpy as np
        import torch
        logging.getLogger("torch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", message="Warning: Profiler clears events")  # of each trace

    def supports(self, problem, device, threads):
        reason = peer.why_not_core(problem, self.dtypes) or self.why_not(problem)
        if reason:
            return reason
        try:
            self.load()
        except Exception as error:  # a library that looks for its driver and finds another raises what it likes
            return f"cannot be imported: {error}".splitlines()[0]
        if self.device == "cuda" and not torch.cuda.is_available():
            return "PyTorch finds no CUDA device"
        return ""

    def why_not(self, problem):
        return ""

    def prepare(self, problem, device, threads):
        self.load()
        return Execution(self, problem, device, threads)

    def chosen(self):
        """While its context is entered, calls take the implementation that is this kernel's."""
        return contextlib.nullcontext()

#!/usr/bin/env python3
"""FlashAttention's CuTe kernels (package flash-attn-4) as an engine on CUDA devices, by its public function.

    attnbench run gpu_bars --plugin peers/flash_attention.py --device cuda:0

It takes and returns (batch, sequence, heads, head_dim): in layout bshd nothing is copied, in bhsd its output is, within the call.
Windows and causal masks are its own, aligned to the last key as ours; so are grouped heads, whose rows it packs. Keys are not
split (num_splits = 1, its default and all that its kernels for Hopper can). A kernel is compiled at the first call of a head
size, element type, mask and group, when tensors are bound, and kept in the process.
"""
import importlib.metadata

import attnbench_torch as shared  # before attnbench_peer, which takes this folder off the path
import attnbench_peer as peer

PACKAGES = ("flash-attn-4", "nvidia-cutlass-dsl", "quack-kernels", "apache-tvm-ffi", "torch")
UNAVAILABLE = peer.need("numpy", "torch", "flash_attn", "cutlass", "quack", "tvm_ffi",
                        how="`CUDA_PEERS=1 tools/setup.sh peers` installs it")
VERSIONS = {} if UNAVAILABLE else {name: importlib.metadata.version(name) for name in PACKAGES}


class Cute(shared.Kernel):
    mechanisms = ["mha", "gqa", "mqa", "swa"]
    traces_device = True

    def load(self):
        global flash_attn_func
        super().load()
        from flash_attn.cute import flash_attn_func

    def why_not(self, problem):
        sizes = problem["head_dim_qk"], problem["head_dim_v"]
        if any(size % 8 or not 8 <= size <= 256 for size in sizes):
            return "takes head sizes from 8 to 256 that are multiples of 8"
        if problem["softmax_scale"] <= 0:
            return "looks for a row's maximum before it scales: takes positive scales alone"
        return ""

    def attention(self, p, q, k, v):
        q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
        options = {"softmax_scale": p["softmax_scale"], "causal": p["causal"]}
        if p["mechanism"] == "swa":
            # Keys before and after a query's own that it sees.
            window = (p["window"] - 1, 0) if p["causal"] else (p["window"] // 2, p["window"] // 2)
            options |= {"causal": False, "window_size": window}
        return lambda: flash_attn_func(q, k, v, **options)[0].transpose(1, 2)

    def what_ran(self, names):
        return self.implementation if any(self.implementation in name for name in names) else ""


# What stands in the names of its kernels, the class that makes them.
KERNELS = [Cute("cute", "FlashAttentionForward", "cuda", ("bf16", "f16"))]

if __name__ == "__main__":
    peer.serve("flash_attention", KERNELS, VERSIONS, UNAVAILABLE)

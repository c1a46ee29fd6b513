#!/usr/bin/env python3
"""flash-linear-attention (package fla-core) as an engine on CUDA devices: its chunked linear attention with normalisation, and
its elu(x) + 1.

    attnbench run gpu_bars --plugin peers/flash_linear_attention.py --device cuda:0

A call is what its own layer does with the feature map elu and normalisation: elu_p1 of q and k, then chunk_linear_attn. It
computes o / (scale phi(q)^T z + 1e-10), o with the same scale: with scale = 1e-10 / eps that is the mechanism, eps included. States
and prefix sums are kept in the element type. It takes (batch, sequence, heads, head_dim), and copies what lies otherwise, in
the call. It has no form in which a query sees later keys.
"""
import importlib.metadata

import attnbench_torch as shared  # before attnbench_peer, which takes this folder off the path
import attnbench_peer as peer

PACKAGES = ("fla-core", "torch", "triton")
UNAVAILABLE = peer.need("numpy", "torch", "fla", how="`CUDA_PEERS=1 tools/setup.sh peers` installs it")
VERSIONS = {} if UNAVAILABLE else {name: importlib.metadata.version(name) for name in PACKAGES}
ADDED = 1e-10  # by its normalisation
TRITON_KERNELS = ("elu_p1_fwd_kernel", "chunk_fwd_kernel_h", "chunk_fwd_kernel_o", "chunk_global_cumsum_vector_kernel")


class Chunk(shared.Kernel):
    mechanisms = ["linear", "causal_linear"]
    traces_device = True

    def load(self):
        global chunk_linear_attn, elu_p1
        super().load()
        from fla.modules.activations import elu_p1
        from fla.ops.linear_attn import chunk_linear_attn

    def why_not(self, problem):
        if problem["mechanism"] == "linear":
            return "has no form in which a query sees later keys"
        if problem["num_kv_heads"] != problem["num_q_heads"]:
            return "has no grouped heads"
        if problem["seqlen_q"] != problem["seqlen_kv"]:
            return "takes as many queries as keys"
        if problem["eps"] <= 0:
            return f"adds {ADDED} to a scaled normaliser: takes a positive eps alone"
        return ""

    def attention(self, p, q, k, v):
        q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
        if q.shape[1] != k.shape[1]:
            raise ValueError(f"{q.shape[1]} queries and {k.shape[1]} keys: {self.why_not({**p, 'seqlen_kv': k.shape[1]})}")
        scale = ADDED / p["eps"]
        return lambda: chunk_linear_attn(elu_p1(q), elu_p1(k), v, scale=scale, normalize=True)[0].transpose(1, 2)

    def what_ran(self, names):
        return self.implementation if set(TRITON_KERNELS) <= names else ""


KERNELS = [Chunk("chunk", ", ".join(TRITON_KERNELS), "cuda", ("bf16",))]

if __name__ == "__main__":
    peer.serve("flash_linear_attention", KERNELS, VERSIONS, UNAVAILABLE)

#!/usr/bin/env python3
"""OpenVINO's CPU plugin as an engine: the operator ScaledDotProductAttention.

    attnbench run --plugin peers/openvino.py

The plugin compiles the operator into what it thinks best; here without a cache of keys that is generated code for the whole
of it, layers of type Subgraph, not the plugin's layer ScaledDotProductAttention. Of grouped heads `sdpa` takes the queries of
a group as rows of one head, `sdpa_expanded` broadcasts K and V, as exported models do. `unfused` has the generation of code
turned off: then it runs MatMul, Softmax and MatMul one after the other. What was compiled is read from the runtime model.
Masks that are not causal of equal lengths are constants of the model.
"""
import attnbench_peer as peer

UNAVAILABLE = peer.need("numpy", "openvino")
VERSIONS = {}
if not UNAVAILABLE:
    import numpy as np
    import openvino
    import openvino.opset13 as opset
    VERSIONS = {"numpy": np.__version__, "openvino": openvino.get_version()}
    CORE = openvino.Core()
    TYPES = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16}

MOVES = {"Input", "Output", "Const", "Transpose", "Reorder", "Reshape", "Convert", "Eltwise"}


def mask_of(p, keys):
    """(seqlen_q, keys), 0 where a key is seen and -inf elsewhere; None where no constant is needed."""
    if p["mechanism"] != "swa" and (not p["causal"] or p["seqlen_q"] == keys):
        return None
    return np.where(peer.visible(p, keys), np.float32(0), np.float32(-np.inf))


def compile_model(p, keys, threads, form):
    kind = TYPES[p["dtype_q"]]
    batch, heads, kv_heads, queries = p["batch"], p["num_q_heads"], p["num_kv_heads"], p["seqlen_q"]
    group = heads // kv_heads
    sizes = [("q", heads, queries, p["head_dim_qk"]), ("k", kv_heads, keys, p["head_dim_qk"]),
             ("v", kv_heads, keys, p["head_dim_v"])]
    inputs = [opset.parameter([batch, heads, sequence, dim] if p["layout"] == "bhsd" else [batch, sequence, heads, dim],
                              kind, name=role) for role, heads, sequence, dim in sizes]
    order = opset.constant(np.array([0, 2, 1, 3]))
    q, k, v = inputs if p["layout"] == "bhsd" else [opset.transpose(x, order) for x in inputs]

    def reshape(x, *sizes):
        return opset.reshape(x, opset.constant(np.array(sizes)), False)

    def expand(x, dim):
        repeated = opset.broadcast(opset.unsqueeze(x, opset.constant(2)),
                                   opset.constant(np.array([batch, kv_heads, group, keys, dim])))
        return reshape(repeated, batch, heads, keys, dim)

    mask = mask_of(p, keys)
    causal = p["causal"] and mask is None
    folded = group > 1 and form == "folded"
    if folded:
        q = reshape(q, batch, kv_heads, group * queries, p["head_dim_qk"])
        if causal:
            mask, causal = np.where(peer.visible(p, keys), np.float32(0), np.float32(-np.inf)), False
        mask = None if mask is None else np.tile(mask, (group, 1))
    elif group > 1:
        k, v = expand(k, p["head_dim_qk"]), expand(v, p["head_dim_v"])
    mask = opset.constant(np.float32(0) if mask is None else mask, dtype=kind)
    result = opset.scaled_dot_product_attention(q, k, v, mask, opset.constant(p["softmax_scale"], dtype=kind), causal=causal)
    if folded:
        result = reshape(result, batch, heads, queries, p["head_dim_v"])
    if p["layout"] == "bshd":
        result = opset.transpose(result, order)
    return CORE.compile_model(openvino.Model([result], inputs, "attention"), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": True, "INFERENCE_PRECISION_HINT": p["dtype_q"],
        "SNIPPETS_MODE": "DISABLE" if form == "unfused" else "ENABLE"})


class Execution:
    def __init__(self, problem, threads, form):
        self.problem, self.threads, self.form = problem, threads, form
        self.compiled = {}
        self.compile(problem["seqlen_kv"])

    def compile(self, keys):
        if keys not in self.compiled:
            self.compiled[keys] = compile_model(self.problem, keys, self.threads, self.form)
            self.layers = [(layer.get_rt_info()["layerType"].astype(str), layer.get_rt_info()["primitiveType"].astype(str))
                           for layer in self.compiled[keys].get_runtime_model().get_ordered_ops()]
        return self.compiled[keys]

    def tensor(self, array):
        return openvino.Tensor(array, array.shape, TYPES["bf16"]) if self.problem["dtype_q"] == "bf16" else \
            openvino.Tensor(array, shared_memory=True)

    def bind(self, tensors):
        dense = {role: peer.Dense(tensor, self.problem["layout"]) for role, tensor in tensors.items()}
        request = self.compile(tensors["k"].shape[2]).create_infer_request()
        for index, role in enumerate("qkv"):
            request.set_input_tensor(index, self.tensor(dense[role].array))
        request.set_output_tensor(0, self.tensor(dense["o"].array))
        return peer.with_copies(request.infer, [dense[role] for role in "qkv"], dense["o"])

    def implementation(self):
        layers = [(kind, primitive) for kind, primitive in self.layers if kind not in MOVES]
        return ", ".join(sorted({kind for kind, _ in layers})), \
            "the runtime model's layers: " + ", ".join(f"{kind} {primitive}" for kind, primitive in layers)


class Kernel(peer.Kernel):
    def __init__(self, name, implementation, form, mechanisms):
        self.name, self.implementation, self.form, self.mechanisms = name, implementation, form, mechanisms

    def supports(self, problem, device, threads):
        native = "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        reason = peer.why_not_core(problem, ("f32", "bf16") if native else ("f32",))
        grouped = problem["num_kv_heads"] != problem["num_q_heads"]
        if not reason and self.form == "expanded" and not grouped:
            return "is sdpa where heads are not grouped"
        if not reason and self.form == "unfused" and grouped:
            return "is set up for as many heads of k as of q"
        return reason

    def prepare(self, problem, device, threads):
        return Execution(problem, threads, self.form)


KERNELS = [Kernel("sdpa", "Subgraph", "folded", ["mha", "gqa", "mqa", "swa"]),
           Kernel("sdpa_expanded", "Broadcast, Subgraph", "expanded", ["gqa", "mqa", "swa"]),
           Kernel("unfused", "MatMul, Softmax", "unfused", ["mha", "swa"])]

if __name__ == "__main__":
    peer.serve("openvino", KERNELS, VERSIONS, UNAVAILABLE)

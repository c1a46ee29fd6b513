#!/usr/bin/env python3
"""OpenVINO's CPU plugin as an engine: the operator ScaledDotProductAttention.

    attnbench run --plugin peers/openvino.py

The plugin compiles the operator into what it thinks best; here without a cache of keys that is generated code for the whole
of it, layers of type Subgraph, not the plugin's layer ScaledDotProductAttention. `unfused` has that generation turned off:
then it runs MatMul, Softmax and MatMul one after the other. What was compiled is read from the runtime model.
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


def compile_model(p, threads, fuse):
    kind = TYPES[p["dtype_q"]]
    sizes = [("q", p["num_q_heads"], p["seqlen_q"], p["head_dim_qk"]), ("k", p["num_kv_heads"], -1, p["head_dim_qk"]),
             ("v", p["num_kv_heads"], -1, p["head_dim_v"])]
    if p["phase"] == "prefill":
        sizes = [(role, heads, p["seqlen_q"], dim) for role, heads, _, dim in sizes]
    inputs = [opset.parameter([p["batch"], heads, sequence, dim] if p["layout"] == "bhsd" else
                              [p["batch"], sequence, heads, dim], kind, name=role)
              for role, heads, sequence, dim in sizes]
    operands = inputs
    order = opset.constant(np.array([0, 2, 1, 3]))
    if p["layout"] == "bshd":
        operands = [opset.transpose(x, order) for x in inputs]
    no_mask, scale = (opset.constant(value, dtype=kind) for value in (0.0, p["softmax_scale"]))
    result = opset.scaled_dot_product_attention(*operands, no_mask, scale, causal=p["causal"])
    if p["layout"] == "bshd":
        result = opset.transpose(result, order)
    return CORE.compile_model(openvino.Model([result], inputs, "attention"), "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": p["dtype_q"],
        "SNIPPETS_MODE": "ENABLE" if fuse else "DISABLE"})


class Execution:
    def __init__(self, compiled, layout, dtype):
        self.compiled, self.layout, self.dtype = compiled, layout, dtype
        self.layers = [(layer.get_rt_info()["layerType"].astype(str), layer.get_rt_info()["primitiveType"].astype(str))
                       for layer in compiled.get_runtime_model().get_ordered_ops()]

    def tensor(self, array):
        return openvino.Tensor(array, array.shape, TYPES[self.dtype]) if self.dtype == "bf16" else \
            openvino.Tensor(array, shared_memory=True)

    def bind(self, tensors):
        dense = {role: peer.Dense(tensor, self.layout) for role, tensor in tensors.items()}
        request = self.compiled.create_infer_request()
        for index, role in enumerate("qkv"):
            request.set_input_tensor(index, self.tensor(dense[role].array))
        request.set_output_tensor(0, self.tensor(dense["o"].array))
        return peer.with_copies(request.infer, [dense[role] for role in "qkv"], dense["o"])

    def implementation(self):
        return ", ".join(dict.fromkeys(kind for kind, _ in self.layers if kind not in MOVES)), \
            "the runtime model's layers: " + ", ".join(f"{kind} {primitive}" for kind, primitive in self.layers
                                                       if kind not in MOVES)


class Kernel(peer.Kernel):
    mechanisms = ["mha"]

    def __init__(self, name, implementation, fuse):
        self.name, self.implementation, self.fuse = name, implementation, fuse

    def supports(self, problem, device, threads):
        native = "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return peer.why_not_core(problem, ("f32", "bf16") if native else ("f32",))

    def prepare(self, problem, device, threads):
        return Execution(compile_model(problem, threads, self.fuse), problem["layout"], problem["dtype_q"])


KERNELS = [Kernel("sdpa", "Subgraph", True), Kernel("unfused", "MatMul, Softmax", False)]

if __name__ == "__main__":
    peer.serve("openvino", KERNELS, VERSIONS, UNAVAILABLE)

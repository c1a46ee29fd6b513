#!/usr/bin/env python3
"""ONNX Runtime on CPUs as an engine: the attention operators of com.microsoft, and three operators of its own graph.

    attnbench run --plugin peers/onnxruntime.py

What ran is read from the model as the session optimised it, whose operators are executed one by one. GroupQueryAttention is
causal by definition, and writes K and V to its cache in every call. MultiHeadAttention takes Q as (batch, sequence, heads x
head_dim): of layout bhsd it is transposed in the graph, as is the output; K and V are taken as they are.
"""
import os
import tempfile

import attnbench_peer as peer

UNAVAILABLE = peer.need("numpy", "onnx", "onnxruntime")
VERSIONS = {}
if not UNAVAILABLE:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper
    VERSIONS = {module.__name__: module.__version__ for module in (np, onnx, onnxruntime)}

MICROSOFT = "com.microsoft"
MOVES = {"Transpose", "Reshape"}


def ints(name, values, kind=None):
    return helper.make_tensor(name, kind or TensorProto.INT64, [len(values)], values)


def node(kind, inputs, outputs, **attributes):
    domain = MICROSOFT if kind.endswith("Attention") else ""
    return helper.make_node(kind, inputs, outputs, domain=domain, **attributes)


class Graph:
    """Operators and constants from inputs q, k, v to outputs, with the sizes of all of them."""

    def __init__(self, nodes, constants, inputs, outputs):
        def values(sizes):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in sizes.items()]
        self.outputs = outputs
        graph = helper.make_graph(nodes, "attention", values(inputs), values(outputs), constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        self.model = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def sizes_of(p, heads, sequence, head_dim):
    """As they lie in memory."""
    return [p["batch"], heads, sequence, head_dim] if p["layout"] == "bhsd" else [p["batch"], sequence, heads, head_dim]


def io_sizes(p, keys):
    heads, kv_heads = p["num_q_heads"], p["num_kv_heads"]
    inputs = {"q": sizes_of(p, heads, p["seqlen_q"], p["head_dim_qk"]),
              "k": sizes_of(p, kv_heads, keys, p["head_dim_qk"]),
              "v": sizes_of(p, kv_heads, keys, p["head_dim_v"])}
    return inputs, {"o": sizes_of(p, heads, p["seqlen_q"], p["head_dim_v"])}


def multi_head_attention(p):
    heads = p["num_q_heads"]
    constants = [ints("packed", [0, 0, -1]), ints("by_head", [0, 0, heads, -1])]
    nodes = []
    if p["layout"] == "bhsd":
        nodes += [node("Transpose", ["q"], ["q_moved"], perm=[0, 2, 1, 3]),
                  node("Reshape", ["q_moved", "packed"], ["q_packed"])]
        operands = ["q_packed", "k", "v"]
    else:
        nodes += [node("Reshape", [x, "packed"], [x + "_packed"]) for x in "qkv"]
        operands = ["q_packed", "k_packed", "v_packed"]
    nodes.append(node("MultiHeadAttention", operands, ["o_packed"], num_heads=heads, scale=p["softmax_scale"],
                      unidirectional=int(p["causal"])))
    if p["layout"] == "bhsd":
        nodes += [node("Reshape", ["o_packed", "by_head"], ["o_moved"]),
                  node("Transpose", ["o_moved"], ["o"], perm=[0, 2, 1, 3])]
    else:
        nodes.append(node("Reshape", ["o_packed", "by_head"], ["o"]))
    return Graph(nodes, constants, *io_sizes(p, "keys"))


def group_query_attention(p):
    heads, kv_heads, keys = p["num_q_heads"], p["num_kv_heads"], p["seqlen_kv"]
    constants = [ints("packed", [0, 0, -1]), ints("by_head", [0, 0, heads, -1]),
                 ints("last_key", [keys - 1] * p["batch"], TensorProto.INT32), ints("keys", [keys], TensorProto.INT32)]
    nodes = []
    for x in "qkv":
        moved = x
        if p["layout"] == "bhsd":
            moved = x + "_moved"
            nodes.append(node("Transpose", [x], [moved], perm=[0, 2, 1, 3]))
        nodes.append(node("Reshape", [moved, "packed"], [x + "_packed"]))
    window = p["window"] if p["mechanism"] == "swa" else -1
    nodes.append(node("GroupQueryAttention",
                      ["q_packed", "k_packed", "v_packed", "", "", "last_key", "keys"],
                      ["o_packed", "k_cache", "v_cache"], num_heads=heads, kv_num_heads=kv_heads,
                      scale=p["softmax_scale"], local_window_size=window))
    if p["layout"] == "bhsd":
        nodes += [node("Reshape", ["o_packed", "by_head"], ["o_moved"]),
                  node("Transpose", ["o_moved"], ["o"], perm=[0, 2, 1, 3])]
    else:
        nodes.append(node("Reshape", ["o_packed", "by_head"], ["o"]))
    inputs, outputs = io_sizes(p, keys)
    cache = [p["batch"], kv_heads, keys, p["head_dim_qk"]]
    return Graph(nodes, constants, inputs, {**outputs, "k_cache": cache, "v_cache": cache})


def unfused(p):
    constants = [helper.make_tensor("scale", TensorProto.FLOAT, [], [p["softmax_scale"]])]
    nodes = [node("Transpose", ["k"], ["k_transposed"], perm=[0, 1, 3, 2]),
             node("MatMul", ["q", "k_transposed"], ["products"]),
             node("Mul", ["products", "scale"], ["scores"]),
             node("Softmax", ["scores"], ["weights"], axis=-1),
             node("MatMul", ["weights", "v"], ["o"])]
    return Graph(nodes, constants, *io_sizes(p, "keys"))


class Execution:
    def __init__(self, graph, problem, threads):
        self.layout, self.graph = problem["layout"], graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
            self.session = onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
            self.nodes = [n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node]

    def bind(self, tensors):
        binding = self.session.io_binding()
        dense = {role: peer.Dense(tensor, self.layout) for role, tensor in tensors.items()}
        for role in "qkv":
            array = dense[role].array
            binding.bind_input(role, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        outputs = {role: dense[role].array if role == "o" else np.empty(sizes, np.float32)
                   for role, sizes in self.graph.outputs.items()}
        for role, array in outputs.items():
            binding.bind_output(role, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        run = self.session.run_with_iobinding

        def call(keep=(dense, outputs)):
            run(binding)
        return peer.with_copies(call, [dense[role] for role in "qkv"], dense["o"])

    def implementation(self):
        return ", ".join(n for n in self.nodes if n not in MOVES), "the operators of the optimised model"


class Kernel(peer.Kernel):
    def __init__(self, name, implementation, mechanisms, graph, why_not):
        self.name, self.implementation, self.mechanisms = name, implementation, mechanisms
        self.graph, self.why_not = graph, why_not

    def supports(self, problem, device, threads):
        return peer.why_not_core(problem) or self.why_not(problem)

    def prepare(self, problem, device, threads):
        return Execution(self.graph(problem), problem, threads)


def why_not_one_size(p):
    return "takes one head size" if p["head_dim_qk"] != p["head_dim_v"] else ""


def why_not_cached(p):
    if not p["causal"]:
        return "GroupQueryAttention is causal"
    if p["phase"] != "prefill":
        return "is set up for prefill alone: its decode form appends to a cache"
    return why_not_one_size(p)


KERNELS = [
    Kernel("multi_head_attention", "MultiHeadAttention", ["mha"], multi_head_attention, why_not_one_size),
    Kernel("group_query_attention", "GroupQueryAttention", ["mha", "gqa", "mqa", "swa"], group_query_attention,
           why_not_cached),
    Kernel("unfused", "FusedMatMul, Softmax, MatMul", ["mha"], unfused,
           lambda p: "is set up for layout bhsd, without a mask" if p["causal"] or p["layout"] != "bhsd" else ""),
]

if __name__ == "__main__":
    peer.serve("onnxruntime", KERNELS, VERSIONS, UNAVAILABLE)

#!/usr/bin/env python3
"""ONNX Runtime on CPUs as an engine: the attention operators of com.microsoft, and three operators of its own graph.

    attnbench run --plugin peers/onnxruntime.py

What ran is read from the model as the session optimised it, whose operators are executed one by one. GroupQueryAttention is
causal by definition, and writes K and V to its cache in every call; with fewer queries than keys (decode) k and v are that
cache, the last of their rows the new ones. MultiHeadAttention takes Q as (batch, sequence, heads x head_dim): of layout bhsd
it is transposed in the graph, as is the output; K and V are taken as they are. Masks that are not causal of equal lengths are
its input attention_bias, made when tensors are bound.
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
MOVES = {"Transpose", "Reshape", "Slice"}


def ints(name, values, kind=None):
    return helper.make_tensor(name, kind or TensorProto.INT64, [len(values)], values)


def node(kind, inputs, outputs, **attributes):
    domain = MICROSOFT if kind.endswith("Attention") else ""
    return helper.make_node(kind, inputs, outputs, domain=domain, **attributes)


class Graph:
    """Operators and constants from inputs to outputs, with the sizes of all of them. Inputs besides q, k and v are told by
    `more`: (name, type, sizes), and what they hold by `values(keys)`, an array by name."""

    def __init__(self, nodes, constants, inputs, outputs, more=(), values=lambda keys: {}):
        def infos(sizes):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in sizes.items()]
        self.outputs, self.values = outputs, values
        inputs = infos(inputs) + [helper.make_tensor_value_info(*info) for info in more]
        graph = helper.make_graph(nodes, "attention", inputs, infos(outputs), constants)
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
    plain = p["mechanism"] != "swa" and (not p["causal"] or p["seqlen_q"] == p["seqlen_kv"])
    if not plain:
        operands += ["", "", "bias"]
    nodes.append(node("MultiHeadAttention", operands, ["o_packed"], num_heads=heads, scale=p["softmax_scale"],
                      unidirectional=int(p["causal"] and plain)))
    if p["layout"] == "bhsd":
        nodes += [node("Reshape", ["o_packed", "by_head"], ["o_moved"]),
                  node("Transpose", ["o_moved"], ["o"], perm=[0, 2, 1, 3])]
    else:
        nodes.append(node("Reshape", ["o_packed", "by_head"], ["o"]))

    def bias(keys):
        lowest = np.finfo(np.float32).min
        return {"bias": np.where(peer.visible(p, keys), np.float32(0), lowest)[None, None].astype(np.float32)}
    if plain:
        return Graph(nodes, constants, *io_sizes(p, "keys"))
    return Graph(nodes, constants, *io_sizes(p, "keys"), [("bias", TensorProto.FLOAT, [1, 1, p["seqlen_q"], "keys"])], bias)


def group_query_attention(p):
    heads, kv_heads, queries = p["num_q_heads"], p["num_kv_heads"], p["seqlen_q"]
    decode = queries != p["seqlen_kv"]
    constants = [ints("packed", [0, 0, -1]), ints("by_head", [0, 0, heads, -1])]
    if decode:
        constants += [ints("first_new", [-queries]), ints("end", [2**31]), ints("sequence", [2])]
    nodes = []
    for x in "qkv":
        moved = new = x
        if decode and x != "q":
            new = x + "_new"
            nodes.append(node("Slice", [x, "first_new", "end", "sequence"], [new]))
        if p["layout"] == "bhsd":
            moved = x + "_moved"
            nodes.append(node("Transpose", [new], [moved], perm=[0, 2, 1, 3]))
        nodes.append(node("Reshape", [moved, "packed"], [x + "_packed"]))
    cache = ["k", "v"] if decode else ["", ""]
    window = p["window"] if p["mechanism"] == "swa" else -1
    nodes.append(node("GroupQueryAttention",
                      ["q_packed", "k_packed", "v_packed", *cache, "last_key", "keys_in_use"],
                      ["o_packed", "k_cache", "v_cache"], num_heads=heads, kv_num_heads=kv_heads,
                      scale=p["softmax_scale"], local_window_size=window))
    if p["layout"] == "bhsd":
        nodes += [node("Reshape", ["o_packed", "by_head"], ["o_moved"]),
                  node("Transpose", ["o_moved"], ["o"], perm=[0, 2, 1, 3])]
    else:
        nodes.append(node("Reshape", ["o_packed", "by_head"], ["o"]))
    inputs, outputs = io_sizes(p, "keys")
    cache = [p["batch"], kv_heads, "keys", p["head_dim_qk"]]
    return Graph(nodes, constants, inputs, {**outputs, "k_cache": cache, "v_cache": cache},
                 [("last_key", TensorProto.INT32, [p["batch"]]), ("keys_in_use", TensorProto.INT32, [1])],
                 lambda keys: {"last_key": np.full(p["batch"], keys - 1, np.int32),
                               "keys_in_use": np.array([keys], np.int32)})


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
        self.problem, self.graph = problem, graph
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        cpus = peer.a_cpu_each(threads)
        if cpus:  # counted from 1; the first thread is this one
            options.add_session_config_entry("session.intra_op_thread_affinities", ";".join(str(cpu + 1) for cpu in cpus[1:]))
            os.sched_setaffinity(0, cpus[:1])
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = os.path.join(folder, "optimised.onnx")
            self.session = onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
            self.nodes = [n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node]

    def bind(self, tensors):
        binding = self.session.io_binding()
        dense = {role: peer.Dense(tensor, self.problem["layout"]) for role, tensor in tensors.items()}
        keys = tensors["k"].shape[2]
        inputs = {**{role: dense[role].array for role in "qkv"}, **self.graph.values(keys)}
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        # In decode k and v are the cache, to whose end the operator writes what is there already.
        caches = {"k_cache": inputs["k"], "v_cache": inputs["v"]} if self.problem["seqlen_q"] != self.problem["seqlen_kv"] else {}
        outputs = {"o": dense["o"].array}
        for name in self.graph.outputs:
            if name != "o":
                sizes = [keys if size == "keys" else size for size in self.graph.outputs[name]]
                outputs[name] = caches.get(name, np.empty(sizes, np.float32))
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        run = self.session.run_with_iobinding

        def call(keep=(dense, inputs, outputs)):
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


def why_not_ungrouped(p):
    if p["num_kv_heads"] != p["num_q_heads"]:
        return "takes as many heads of k as of q"
    return why_not_one_size(p)


def why_not_cached(p):
    decode = p["seqlen_q"] != p["seqlen_kv"]
    if not p["causal"] and (p["seqlen_q"] > 1 or p["mechanism"] == "swa"):
        return "GroupQueryAttention is causal"
    if decode and p["layout"] != "bhsd":
        return "its cache has the heads first"
    if decode and p["seqlen_q"] > 1 and p["batch"] > 1:
        return "takes several new rows of one sequence alone"
    return why_not_one_size(p)


KERNELS = [
    Kernel("multi_head_attention", "MultiHeadAttention", ["mha", "swa"], multi_head_attention, why_not_ungrouped),
    Kernel("group_query_attention", "GroupQueryAttention", ["mha", "gqa", "mqa", "swa"], group_query_attention,
           why_not_cached),
    Kernel("unfused", "FusedMatMul, Softmax, MatMul", ["mha"], unfused,
           lambda p: "is set up for layout bhsd, without a mask" if p["causal"] or p["layout"] != "bhsd" else ""),
]

if __name__ == "__main__":
    peer.serve("onnxruntime", KERNELS, VERSIONS, UNAVAILABLE)

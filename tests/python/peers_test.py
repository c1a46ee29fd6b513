"""Engines in peers/ that compute by PyTorch, without it and without a GPU: what they say of themselves, what they refuse, and what
they ask their libraries for, against those libraries' documented semantics. Libraries are empty modules here.

    peers_test.py SOURCES
"""
import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PEERS = pathlib.Path(sys.argv.pop(1)) / "peers"
MODULES = {"torch": "class cuda:\n    is_available = staticmethod(lambda: False)\n", "numpy": "", "triton": "",
           "flash_attn/cute": "flash_attn_func = None\n", "cutlass": "", "quack": "", "tvm_ffi": "",
           "fla/ops/linear_attn": "chunk_linear_attn = None\n", "fla/modules/activations": "elu_p1 = None\n"}
PACKAGES = {"torch": "2.11.0", "triton": "3.6.0", "numpy": "2.4.6", "flash-attn-4": "4.0.0", "nvidia-cutlass-dsl": "4.8.1",
            "quack-kernels": "0.6.5", "apache-tvm-ffi": "0.1.15", "fla-core": "0.6.0"}


def libraries(folder):
    for name, text in MODULES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
    for name, version in PACKAGES.items():
        place = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def problem(mechanism, **changes):
    return {"mechanism": mechanism, "num_kv_heads": 2, "window": 0, "block_size": 0, "globals": 0, "causal": False, "eps": 1e-6,
            "scope": "core", "phase": "prefill", "batch": 1, "num_q_heads": 2, "seqlen_q": 8, "seqlen_kv": 8, "head_dim_qk": 64,
            "head_dim_v": 64, "dtype_q": "bf16", "dtype_kv": "bf16", "dtype_o": "bf16", "layout": "bshd", "softmax_scale": 0.125,
            "d_model": 0, "seqlens_kv": [], **changes}


class Protocol(unittest.TestCase):
    """The programs, started as AttnBench starts them."""

    def answers(self, program, *questions, with_libraries=True):
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place)
            if with_libraries:
                libraries(folder)
            environment = {**os.environ, "PYTHONPATH": place, "PYTHONDONTWRITEBYTECODE": "1"}
            lines = "".join(json.dumps(question) + "\n" for question in questions)
            # Without the site's packages, so that what is installed here decides nothing.
            done = subprocess.run([sys.executable, "-S", str(PEERS / program)], input=lines, capture_output=True, text=True,
                                  env=environment, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def reason(self, program, kernel, path="", **of_problem):
        question = {"type": "supports", "kernel": kernel, "path": path, "device": "cuda:0", "threads": 1,
                    "problem": problem(**of_problem)}
        return self.answers(program, question)[0]["reason"]

    def test_flash_attention_says_what_it_is(self):
        hello, = self.answers("flash_attention.py", {"type": "hello", "protocol": 1})
        self.assertEqual(hello["engine"], "flash_attention")
        self.assertEqual(hello["unavailable"], "")
        kernel, = hello["kernels"]
        self.assertEqual((kernel["kernel"], kernel["device"], kernel["copies"]), ("cute", "cuda", True))
        self.assertEqual(kernel["mechanisms"], ["mha", "gqa", "mqa", "swa"])
        for name in ("flash-attn-4", "nvidia-cutlass-dsl", "quack-kernels", "apache-tvm-ffi", "torch"):
            self.assertEqual(hello["versions"][name], PACKAGES[name])
        for name in ("attnbench_peer.py", "attnbench_torch.py"):
            self.assertRegex(hello["versions"][name], "^[0-9a-f]{16}$")

    def test_flash_linear_attention_says_what_it_is(self):
        hello, = self.answers("flash_linear_attention.py", {"type": "hello", "protocol": 1})
        self.assertEqual((hello["engine"], hello["unavailable"]), ("flash_linear_attention", ""))
        self.assertEqual(hello["kernels"][0]["mechanisms"], ["linear", "causal_linear"])
        self.assertEqual(hello["versions"]["fla-core"], "0.6.0")

    def test_what_is_missing_is_named(self):
        for program, module in (("flash_attention.py", "flash_attn"), ("flash_linear_attention.py", "fla")):
            hello, = self.answers(program, {"type": "hello", "protocol": 1}, with_libraries=False)
            self.assertIn(module, hello["unavailable"])
            self.assertIn("CUDA_PEERS=1 tools/setup.sh peers", hello["unavailable"])
            self.assertEqual(len(hello["kernels"]), 1)

    def test_no_gpu_is_a_reason(self):
        self.assertEqual(self.reason("flash_attention.py", "cute", mechanism="mha"), "PyTorch finds no CUDA device")
        self.assertEqual(self.reason("flash_linear_attention.py", "chunk", mechanism="causal_linear"), "PyTorch finds no CUDA device")
        self.assertEqual(self.reason("pytorch.py", "flex", "cuda", mechanism="block_sparse", block_size=4, globals=1),
                         "PyTorch finds no CUDA device")
        self.assertEqual(self.reason("pytorch.py", "compiled", "cuda", mechanism="linear"), "PyTorch finds no CUDA device")

    def test_refusals(self):
        for expected, changes in (("head sizes", {"head_dim_qk": 60}), ("head sizes", {"head_dim_v": 264}),
                                  ("positive scales", {"softmax_scale": -0.125}), ("positive scales", {"softmax_scale": 0}),
                                  ("bf16 and f16", {"dtype_q": "f32", "dtype_kv": "f32", "dtype_o": "f32"}),
                                  ("full lengths", {"seqlens_kv": [4]}), ("projections", {"scope": "layer"}),
                                  ("before the first key", {"seqlen_q": 9})):
            self.assertIn(expected, self.reason("flash_attention.py", "cute", mechanism="mha", **changes), changes)
        for expected, changes in (("later keys", {"mechanism": "linear"}), ("grouped", {"num_kv_heads": 1}),
                                  ("as many queries", {"seqlen_q": 4}), ("eps", {"eps": 0}),
                                  ("bf16 alone", {"dtype_q": "f16", "dtype_kv": "f16", "dtype_o": "f16"})):
            self.assertIn(expected, self.reason("flash_linear_attention.py", "chunk", **{"mechanism": "causal_linear", **changes}), changes)
        self.assertIn("grouped", self.reason("pytorch.py", "compiled", "cuda", mechanism="linear", num_kv_heads=1))


class Tensor:
    """Of this shape; all that attention() asks of one before it calls its library."""

    def __init__(self, *shape):
        self.shape = shape

    def transpose(self, first, second):
        shape = list(self.shape)
        shape[first], shape[second] = shape[second], shape[first]
        return Tensor(*shape)


def sees(mechanism, position, key, causal, window=0, size=0, of_all=0):
    """mechanism.h, in words of its own."""
    if mechanism == "swa":
        shown = position - window < key <= position if causal else abs(position - key) <= window // 2
    elif mechanism == "block_sparse":
        shown = position - position % size <= key < position - position % size + size or min(position, key) < of_all
    else:
        shown = True
    return shown and (not causal or key <= position)


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        libraries(pathlib.Path(cls.place.name))
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(PEERS), cls.place.name]
        cls.modules = {}
        for name in ("attnbench_torch", "flash_attention", "flash_linear_attention"):
            spec = importlib.util.spec_from_file_location(name, PEERS / f"{name}.py")
            cls.modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(cls.modules[name])
        cls.peer = sys.modules["attnbench_peer"]

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def options_of_flash_attention(self, **of_problem):
        module, seen = self.modules["flash_attention"], {}
        p = problem(**of_problem)

        def flash_attn_func(q, k, v, **options):
            seen.update(options, shapes=(q.shape, k.shape, v.shape))
            return Tensor(*q.shape[:3], v.shape[3]), None
        module.flash_attn_func = flash_attn_func
        sizes = (1, p["num_q_heads"], p["seqlen_q"], 64), (1, p["num_kv_heads"], p["seqlen_kv"], 64)
        o = module.KERNELS[0].attention(p, Tensor(*sizes[0]), Tensor(*sizes[1]), Tensor(*sizes[1]))()
        self.assertEqual(o.shape, sizes[0])
        return seen

    def test_flash_attention_gets_the_mask_in_its_own_words(self):
        # As its documentation has it: aligned to the last key; query i sees keys [i' - left, i' + right], all where None.
        for mechanism, causal, window in [("mha", False, 0), ("mha", True, 0), ("gqa", True, 0)] + [
                ("swa", causal, window) for causal in (False, True) for window in (1, 2, 3, 6)]:
            for queries, keys in ((8, 8), (3, 8)):
                options = self.options_of_flash_attention(mechanism=mechanism, causal=causal, window=window, seqlen_q=queries,
                                                          seqlen_kv=keys, num_q_heads=4)
                self.assertEqual(options["shapes"][0], (1, queries, 4, 64))
                self.assertEqual(options["shapes"][1], (1, keys, 2, 64))
                self.assertEqual(options["softmax_scale"], 0.125)
                left, right = options.get("window_size", (None, None))
                if options["causal"]:
                    right = 0
                for i in range(queries):
                    position = i + keys - queries
                    theirs = [j for j in range(keys) if (left is None or j >= position - left) and (right is None or j <= position + right)]
                    ours = [j for j in range(keys) if sees(mechanism, position, j, causal, window)]
                    self.assertEqual(theirs, ours, (mechanism, causal, window, queries, i))

    def test_flash_linear_attention_computes_the_mechanism_eps_included(self):
        module = self.modules["flash_linear_attention"]
        seen = {}

        def chunk_linear_attn(q, k, v, **options):
            seen.update(options, phi=(q, k))
            return Tensor(*q[1].shape), None
        module.chunk_linear_attn, module.elu_p1 = chunk_linear_attn, lambda x: ("phi", x)
        shape = 1, 2, 8, 64
        for eps in (1e-6, 1e-3):
            o = module.KERNELS[0].attention(problem("causal_linear", eps=eps), Tensor(*shape), Tensor(*shape), Tensor(*shape))()
            self.assertEqual(o.shape, shape)
            self.assertEqual([what for what, _ in seen["phi"]], ["phi", "phi"])
            self.assertEqual(seen["phi"][0][1].shape, (1, 8, 2, 64))
            self.assertTrue(seen["normalize"])
            # Its definition: scale * products over scale * weights + 1e-10; the mechanism's: products over weights + eps.
            for products, weights in ((0.5, 2e-7), (3.0, 1e-6), (1e3, 4e2)):
                theirs = seen["scale"] * products / (seen["scale"] * weights + 1e-10)
                self.assertTrue(math.isclose(theirs, products / (weights + eps), rel_tol=1e-12))

    def test_flash_linear_attention_takes_no_fewer_keys(self):
        kernel = self.modules["flash_linear_attention"].KERNELS[0]
        with self.assertRaisesRegex(ValueError, "8 queries and 6 keys"):
            kernel.attention(problem("causal_linear"), Tensor(1, 2, 8, 64), Tensor(1, 2, 6, 64), Tensor(1, 2, 6, 64))

    def test_what_ran_is_told_by_the_names_of_kernels(self):
        cute, chunk = self.modules["flash_attention"].KERNELS[0], self.modules["flash_linear_attention"].KERNELS[0]
        self.assertEqual(cute.what_ran({"kernel_cutlass_kernel_flash_attncuteflash_fwd_sm90FlashAttentionForwardSm90_object_at_"}),
                         cute.implementation)
        self.assertEqual(cute.what_ran({"pytorch_flash::flash_fwd_kernel", "Memcpy DtoD"}), "")
        names = set(chunk.implementation.split(", "))
        self.assertEqual(chunk.what_ran(names | {"vectorized_elementwise_kernel"}), chunk.implementation)
        for name in names:
            self.assertEqual(chunk.what_ran(names - {name}), "")

    def test_visible_pairs_of_block_sparse_attention(self):
        for causal in (False, True):
            for queries, keys, size, of_all in ((7, 7, 3, 0), (7, 7, 3, 1), (3, 8, 2, 4), (1, 5, 8, 1)):
                p = problem("block_sparse", causal=causal, block_size=size, globals=of_all, seqlen_q=queries, seqlen_kv=keys)
                for i in range(queries):
                    for j in range(keys):
                        self.assertEqual(bool(self.peer.visible(p, keys, i, j)),
                                         sees("block_sparse", i + keys - queries, j, causal, size=size, of_all=of_all), (p, i, j))


if __name__ == "__main__":
    unittest.main()

"""The installed module against attention written out in NumPy's float64. Usage: attention_test.py WAITING_KERNEL.so"""

import contextlib
import ctypes
import doctest
import gc
import io
import itertools
import pathlib
import re
import sys
import threading
import unittest
import weakref

import numpy as np

import attnbench

WAITING_KERNEL = sys.argv.pop(1)


def heads_of_queries(x, num_q_heads):
    return np.repeat(x, num_q_heads // x.shape[1], axis=1)


def seen(kind, n, m, causal, window=0, block=0, globals_=0):
    """(n, m): whether query i sees key j, from the definitions of mechanism.h."""
    position = np.arange(n)[:, None] + m - n
    key = np.arange(m)[None, :]
    mask = np.ones((n, m), bool)
    if kind == "swa":
        mask = (position - window < key) & (key <= position) if causal else abs(key - position) <= window // 2
    if kind == "block_sparse":
        mask = (position // block == key // block) | (key < globals_) | (position < globals_)
    return mask & (key <= position) if causal else mask


def softmax_attention(q, k, v, scale, mask):
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = heads_of_queries(k, q.shape[1]), heads_of_queries(v, q.shape[1])
    scores = np.where(mask, scale * np.einsum("bhnd,bhmd->bhnm", q, k), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhnm,bhme->bhne", weights / weights.sum(-1, keepdims=True), v)


def linear_attention(q, k, v, causal, eps=1e-6):
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    k, v = heads_of_queries(k, q.shape[1]), heads_of_queries(v, q.shape[1])
    feature = lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))
    weights = np.einsum("bhnd,bhmd->bhnm", feature(q), feature(k))
    if causal:
        weights = np.tril(weights)
    return np.einsum("bhnm,bhme->bhne", weights, v) / (weights.sum(-1, keepdims=True) + eps)


def arrays(heads=4, kv_heads=4, n=37, m=None, d=32, e=None, dtype=np.float32, seed=7):
    random = np.random.default_rng(seed)
    m = n if m is None else m
    shapes = ((2, heads, n, d), (2, kv_heads, m, d), (2, kv_heads, m, d if e is None else e))
    return tuple(random.standard_normal(shape).astype(dtype) for shape in shapes)


class DLPackOnly:
    """An array of a library that is none of those that the module knows."""

    def __init__(self, array, bfloat16=False):
        self.array, self.bfloat16 = array, bfloat16

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **_):
        capsule = self.array.__dlpack__()
        if self.bfloat16:
            set_dtype(capsule, code=4)
        return capsule


def set_dtype(capsule, code):
    """Of 16 bits, in the DLTensor of a capsule: data, device, ndim, then code, bits and lanes."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    ctypes.c_uint8.from_address(get(capsule, b"dltensor") + 20).value = code


class BitsOfBfloat16:
    """What speaks DLPack of bfloat16, as uint16, which NumPy takes."""

    def __init__(self, result):
        self.result = result

    def __dlpack_device__(self):
        return self.result.__dlpack_device__()

    def __dlpack__(self, **_):
        capsule = self.result.__dlpack__()
        set_dtype(capsule, code=1)
        return capsule


class Attention(unittest.TestCase):
    def check(self, result, expected, dtype=np.float32):
        self.assertEqual(result.dtype, dtype)
        self.assertEqual(result.shape, expected.shape)
        np.testing.assert_allclose(result, expected, rtol=0, atol=2e-5 if dtype == np.float32 else 4e-3)

    def test_mechanisms(self):
        cases = [
            (None, 4, {}), ("mha", 4, {}), (None, 2, {}), ("gqa", 2, {}), ("gqa(kv=2)", 2, {}), (None, 1, {}), ("mqa", 1, {}),
            ("swa(w=8)", 4, dict(kind="swa", window=8)), ("swa(w=5)", 2, dict(kind="swa", window=5)),
            ("block_sparse(bs=8,globals=2)", 4, dict(kind="block_sparse", block=8, globals_=2)),
        ]
        for (mechanism, kv_heads, mask), causal, dtype in itertools.product(cases, (False, True), (np.float32, np.float16)):
            with self.subTest(mechanism=mechanism, kv_heads=kv_heads, causal=causal, dtype=dtype.__name__):
                q, k, v = arrays(kv_heads=kv_heads, dtype=dtype)
                visible = seen(**{"kind": "dense", **mask}, n=37, m=37, causal=causal)
                result = attnbench.attention(q, k, v, mechanism=mechanism, causal=causal, softmax_scale=0.3)
                self.check(result, softmax_attention(q, k, v, 0.3, visible), dtype)

    def test_linear(self):
        q, k, v = arrays(kv_heads=2)
        self.check(attnbench.attention(q, k, v, mechanism="linear"), linear_attention(q, k, v, False))
        self.check(attnbench.attention(q, k, v, mechanism="causal_linear"), linear_attention(q, k, v, True))

    def test_the_standard_scale_is_of_the_width_of_q(self):
        q, k, v = arrays(d=16, e=48)
        self.check(attnbench.attention(q, k, v), softmax_attention(q, k, v, 0.25, True))

    def test_queries_are_the_last_of_the_keys(self):
        q, k, v = arrays(n=3, m=50, kv_heads=2)
        self.check(attnbench.attention(q, k, v, causal=True, softmax_scale=0.2),
                   softmax_attention(q, k, v, 0.2, seen("dense", 3, 50, True)))

    def test_lengths_of_batch_entries(self):
        q, k, v = arrays(n=3, m=50)
        used = np.arange(50)[None, None, None, :] < np.array([50, 17])[:, None, None, None]
        self.check(attnbench.attention(q, k, v, softmax_scale=0.2, seqlens_kv=[50, 17]),
                   softmax_attention(q, k, v, 0.2, used))

    def test_the_other_layout(self):
        q, k, v = arrays(kv_heads=2)
        swapped = [np.ascontiguousarray(x.swapaxes(1, 2)) for x in (q, k, v)]
        result = attnbench.attention(*swapped, causal=True, softmax_scale=0.2, layout="bshd")
        self.check(result.swapaxes(1, 2), softmax_attention(q, k, v, 0.2, seen("dense", 37, 37, True)))

    def test_arrays_are_used_where_they_are(self):
        q, k, v = arrays(n=37, d=32)
        expected = softmax_attention(q, k, v, 0.2, True)
        wide = [np.full((2, 4, 40, 50), np.nan, np.float32) for _ in range(4)]
        views = [x[:, :, 2:39, 3:35] for x in wide]
        for view, array in zip(views, (q, k, v)):
            view[...] = array
            view.flags.writeable = False
        result = attnbench.attention(*views[:3], softmax_scale=0.2, out=views[3])
        self.assertIs(result, views[3])
        self.check(result, expected)
        result[...] = np.nan
        self.assertTrue(np.isnan(wide[3]).all(), "written beside the array")

    def test_the_result_owns_its_memory(self):
        q, k, v = arrays()
        first = attnbench.attention(q, k, v)
        kept = first.copy()
        for _ in range(20):
            attnbench.attention(v, k, q)
        np.testing.assert_array_equal(first, kept)

    def test_what_speaks_dlpack_alone(self):
        q, k, v = arrays()
        result = attnbench.attention(DLPackOnly(q), DLPackOnly(k), v, softmax_scale=0.2)
        self.assertNotIsInstance(result, np.ndarray)
        self.check(np.from_dlpack(result), softmax_attention(q, k, v, 0.2, True))

    def test_bfloat16(self):
        q, k, v = arrays()
        bits = [(x.view(np.uint32) >> 16).astype(np.uint16) for x in (q, k, v)]
        cut = [(x.astype(np.uint32) << 16).view(np.float32) for x in bits]
        result = attnbench.attention(*(DLPackOnly(x, bfloat16=True) for x in bits), softmax_scale=0.2)
        floats = (np.from_dlpack(BitsOfBfloat16(result)).astype(np.uint32) << 16).view(np.float32)
        np.testing.assert_allclose(floats, softmax_attention(*cut, 0.2, True), rtol=0, atol=0.02)
        out = np.zeros_like(bits[0])
        attnbench.attention(*(DLPackOnly(x, bfloat16=True) for x in bits), softmax_scale=0.2,
                            out=DLPackOnly(out, bfloat16=True))
        np.testing.assert_array_equal((out.astype(np.uint32) << 16).view(np.float32), floats)

    def test_bad_input_is_named(self):
        q, k, v = arrays()
        cases = [
            (dict(mechanism="mhaa"), "mechanism.*mhaa"), (dict(mechanism="swa(w=0)"), "w=0"),
            (dict(mechanism="linear", causal=True), "causal"), (dict(layout="bhds"), "layout.*bhds"),
            (dict(softmax_scale=float("nan")), "softmax_scale.*nan"), (dict(seqlens_kv=[3]), "seqlens_kv.*1 length"),
            (dict(k=k[:, :3]), "num_kv_heads.*3"), (dict(k=k[:, :2], mechanism="mha"), "num_kv_heads.*2"),
            (dict(v=v[:, :, :5]), "v.*5"), (dict(q=q.astype(np.float64)), "q.*64 bits"),
            (dict(q=q[..., ::2]), "q.*stride"), (dict(out=q), "overlap"), (dict(out=np.empty((2, 4, 9, 32), np.float32)), "9"),
            (dict(allowed=["swa(w=2"]), r"swa\(w=2"),
        ]
        for change, words in cases:
            with self.subTest(words), self.assertRaisesRegex(attnbench.InputError, words):
                attnbench.attention(**{"q": q, "k": k, "v": v, **change})
        self.assertTrue(issubclass(attnbench.InputError, ValueError))
        for change in (dict(q=q[0]), dict(q=q.tolist()), dict(out=np.broadcast_to(np.float32(0), q.shape))):
            with self.assertRaises(TypeError):
                attnbench.attention(**{"q": q, "k": k, "v": v, **change})

    def test_other_threads_run_meanwhile(self):
        attnbench.load_plugin(WAITING_KERNEL)
        waiting = attnbench.Dispatcher(threads=1, forced="waiting@test")
        q, k, v = (np.zeros((1, 1, 4, 16), np.float32) for _ in range(3))
        done = []
        thread = threading.Thread(target=lambda: done.append(attnbench.attention(q, k, v, dispatcher=waiting)))
        thread.start()
        q[...] = 1  # which the call waits for
        thread.join()
        self.assertTrue(done, "the call waited in vain")


class Choose(unittest.TestCase):
    def test_a_decision_says_what_and_why(self):
        decision = attnbench.choose(num_q_heads=8, num_kv_heads=2, seqlen_q=64, head_dim=32, causal=True)
        self.assertTrue(decision)
        self.assertRegex(decision.kernel, r"^gqa\(kv=2,causal\)/\w+@\w+")
        self.assertEqual(decision.mechanism, "gqa(kv=2,causal)")
        self.assertIn(decision.kernel, decision.because)
        self.assertIn("no profile", decision.because)
        self.assertEqual((decision.reason, decision.profile, decision.verified), ("default_unprofiled", "none", False))
        self.assertTrue(np.isnan([decision.seconds, decision.ratio, *decision.ratio_interval]).all())

    def test_forced_and_refused(self):
        forced = attnbench.Dispatcher(forced="mha/unfused@cpu")
        sizes = dict(num_q_heads=8, seqlen_q=64, head_dim=32, dispatcher=forced)
        self.assertEqual(attnbench.choose(**sizes).kernel, "mha/unfused@cpu")
        refused = attnbench.choose(**sizes, num_kv_heads=2)
        self.assertFalse(refused)
        self.assertIsNone(refused.kernel)
        self.assertEqual(refused.reason, "forced_refused")
        q, k, v = arrays(kv_heads=2)
        with self.assertRaisesRegex(attnbench.InputError, "mha/unfused@cpu is forced"):
            attnbench.attention(q, k, v, dispatcher=forced)

    def test_dispatchers(self):
        self.assertEqual(attnbench.Dispatcher(threads=1).threads, 1)
        lost = attnbench.Dispatcher(profile="/no/such/profile.json")
        self.assertEqual(lost.profile_state, "unreadable")
        self.assertIn("/no/such/profile.json", lost.profile_problem)
        for policy, words in ((dict(forced="none@nobody"), "none@nobody"), (dict(threads=-1), "threads.*-1"),
                              (dict(byte_limit=-5), "byte_limit.*-5"), (dict(denied=["x@y"]), "x@y")):
            with self.subTest(words), self.assertRaisesRegex(attnbench.InputError, words):
                attnbench.Dispatcher(**policy)
        with self.assertRaisesRegex(attnbench.InputError, "batch.*0"):
            attnbench.choose(num_q_heads=1, seqlen_q=1, head_dim=8, batch=0)

    def test_the_examples(self):
        self.assertEqual(doctest.testmod(attnbench).failed, 0)
        source = pathlib.Path(__file__).parents[2]
        (example,) = re.findall(r"```python\n(.*?)```", (source / "README.md").read_text(), re.S)
        names = {}
        exec(example, names)
        mask = seen("mha", 128, 128, causal=True)
        expected = softmax_attention(names["q"], names["k"], names["v"], 0.125, mask)
        np.testing.assert_allclose(names["o"], expected, rtol=0, atol=2e-5)
        example, _ = re.findall(r"```python\n(.*?)```", (source / "docs/dispatch.md").read_text(), re.S)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(example, {})
        self.assertRegex(printed.getvalue(), r"^gqa\(kv=2,causal\)/")


class Plan(unittest.TestCase):
    def test_each_run_computes_from_what_the_arrays_hold(self):
        q, k, v = arrays(heads=4, kv_heads=2, n=9, m=21)
        plan = attnbench.plan(q, k, v, causal=True)
        self.assertEqual(plan.out.shape, q.shape)
        self.assertRegex(plan.decision.kernel, r"^gqa\(kv=2,causal\)/")
        mask = seen("mha", 9, 21, causal=True)
        for factor in (1, -2):
            q *= factor
            self.assertGreater(plan.run(), 0)
            np.testing.assert_allclose(plan.out, softmax_attention(q, k, v, 32**-0.5, mask), rtol=0, atol=2e-5)
        self.assertGreater(plan.run(calls=3), 0)

    def test_an_array_of_the_callers_and_another_layout(self):
        q, k, v = (np.ascontiguousarray(x.transpose(0, 2, 1, 3)) for x in arrays(heads=4, n=8))
        out = np.full_like(q, np.nan)
        plan = attnbench.plan(q, k, v, out=out, layout="bshd", dispatcher=attnbench.Dispatcher(threads=1))
        self.assertIs(plan.out, out)
        plan.run()
        turned = (x.transpose(0, 2, 1, 3) for x in (q, k, v))
        expected = softmax_attention(*turned, 32**-0.5, np.ones((8, 8), bool))
        np.testing.assert_allclose(out.transpose(0, 2, 1, 3), expected, rtol=0, atol=2e-5)

    def test_it_keeps_arrays_and_dispatcher_alive(self):
        watched = []

        def made():
            arrays_ = arrays(n=16)
            dispatcher = attnbench.Dispatcher(threads=1)
            watched.extend(weakref.ref(array) for array in arrays_)
            return attnbench.plan(*arrays_, dispatcher=dispatcher)
        plan = made()
        gc.collect()
        self.assertTrue(all(watch() is not None for watch in watched))
        plan.run()
        q, k, v = (watch() for watch in watched)
        np.testing.assert_allclose(plan.out, softmax_attention(q, k, v, 32**-0.5, np.ones((16, 16), bool)), rtol=0, atol=2e-5)
        del plan, q, k, v
        gc.collect()
        self.assertTrue(all(watch() is None for watch in watched))

    def test_threads_take_turns(self):
        q, k, v = arrays(n=64)
        plan = attnbench.plan(q, k, v, dispatcher=attnbench.Dispatcher(threads=1))
        threads = [threading.Thread(target=plan.run, args=(20,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_allclose(plan.out, softmax_attention(q, k, v, 32**-0.5, np.ones((64, 64), bool)), rtol=0, atol=2e-5)

    def test_what_is_refused(self):
        q, k, v = arrays(heads=4, kv_heads=3)
        with self.assertRaisesRegex(attnbench.InputError, "num_kv_heads|divide"):
            attnbench.plan(q, k, v)
        with self.assertRaisesRegex(attnbench.InputError, "calls.*0"):
            attnbench.plan(*arrays()).run(calls=0)


if __name__ == "__main__":
    unittest.main()

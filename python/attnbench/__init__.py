"""Attention on the CPU kernel that suits the problem, and the studies that measure which one that is.

>>> import attnbench, numpy as np
>>> q = np.random.randn(1, 8, 128, 64).astype(np.float32)
>>> k, v = (np.random.randn(1, 2, 128, 64).astype(np.float32) for _ in range(2))
>>> attnbench.attention(q, k, v, causal=True).shape
(1, 8, 128, 64)

Of studies: run() measures one, load() has its samples as a DataFrame, analyze() what follows from them.

Sizes below: B batch, H query heads, G heads of K and V (which divides H), N queries, M keys, D and E elements of a head of
Q and K, and of V.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar

from . import _native
from ._native import Decision, Dispatcher, InputError, __version__, load_plugin
from ._studies import ProgramError, analyze, load, run

__all__ = [
    "Decision", "Dispatcher", "InputError", "Plan", "ProgramError", "analyze", "attention", "choose", "load", "load_plugin",
    "plan", "run", "__version__",
]

Array = TypeVar("Array")
Layout = Literal["bhsd", "bshd"]
DType = Literal["f32", "bf16", "f16"]

_standard: Dispatcher | None = None
_lock = threading.Lock()


def _dispatcher(given: Dispatcher | None) -> Dispatcher:
    global _standard
    if given is not None:
        return given
    with _lock:
        if _standard is None:
            _standard = Dispatcher()
        return _standard


def _package(array: Any) -> str:
    return type(array).__module__.partition(".")[0]


def _as_arrays_of(package: str, result: Any) -> Any:
    from_dlpack = getattr(sys.modules.get(package), "from_dlpack", None)
    return result if package == "numpy" or from_dlpack is None else from_dlpack(result)


def attention(
    q: Array,
    k: Any,
    v: Any,
    *,
    mechanism: str | None = None,
    causal: bool = False,
    softmax_scale: float | None = None,
    layout: Layout = "bhsd",
    seqlens_kv: Sequence[int] | None = None,
    allowed: Sequence[str] = (),
    out: Any | None = None,
    dispatcher: Dispatcher | None = None,
) -> Array:
    """Attention of queries ``q`` over keys ``k`` and values ``v``, on the kernel that the dispatcher chooses.

    The arrays are read and written where they are, whatever their strides, if elements of a row are adjacent; nothing is
    converted. The GIL is released meanwhile.

    Args:
        q: (B, H, N, D), or (B, N, H, D) with ``layout="bshd"``. A NumPy array or anything that speaks DLPack, in the
            CPU's memory, of float32, float16 or bfloat16.
        k: (B, G, M, D), or (B, M, G, D).
        v: (B, G, M, E), or (B, M, G, E), of the element type of ``k``.
        mechanism: ``"mha"``, ``"gqa"``, ``"mqa"``, ``"swa(w=64)"``, ``"block_sparse(bs=32,globals=1)"``, ``"linear"`` or
            ``"causal_linear"``. None: softmax attention over all keys, with the heads that ``k`` has.
        causal: Query i sees keys up to i + M - N.
        softmax_scale: Factor on Q K^T. None: 1 / sqrt(D).
        layout: Order of the dimensions of all four arrays.
        seqlens_kv: Keys in use of each batch entry, B numbers. None: M for all.
        allowed: Mechanisms that may be computed instead. Other functions: for models that were trained so.
        out: Array to write the result to. Must not overlap the others. None: a new one of the element type of ``q``.
        dispatcher: What chooses. None: ``Dispatcher()``, made once.

    Returns:
        ``out``, or a new array: (B, H, N, E), or (B, N, H, E). For NumPy's, and where the package of ``q`` has a function
        ``from_dlpack``, of the type of ``q``; else an object that speaks DLPack.

    Raises:
        InputError: Shapes, types or strides that no call may have (a ValueError), or no kernel that may be used.
    """
    package = _package(q)
    result: Any = _native.attention(
        _dispatcher(dispatcher), q, k, v, out, mechanism, causal, softmax_scale, layout,
        list(seqlens_kv) if seqlens_kv is not None else None, list(allowed), package == "numpy",
    )
    return out if out is not None else _as_arrays_of(package, result)


class Plan(Generic[Array]):
    """Attention on a kernel that was chosen and prepared once and bound to arrays once; plan() makes it.

    Attributes:
        decision: The kernel, and why.
        out: The array that run() writes to: (B, H, N, E), or (B, N, H, E).
    """

    def __init__(self, native: _native.Plan, out: Array) -> None:
        self._native = native
        self.decision: Decision = native.decision
        self.out = out

    def run(self, calls: int = 1) -> float:
        """Computes ``out`` from what q, k and v hold now, so many times.

        The GIL is released meanwhile. Threads that call it on one plan wait for each other.

        Returns:
            Seconds that the calls took together.

        Raises:
            InputError: ``calls`` is below 1.
        """
        return self._native.run(calls)


def plan(
    q: Array,
    k: Any,
    v: Any,
    *,
    mechanism: str | None = None,
    causal: bool = False,
    softmax_scale: float | None = None,
    layout: Layout = "bhsd",
    seqlens_kv: Sequence[int] | None = None,
    allowed: Sequence[str] = (),
    out: Any | None = None,
    dispatcher: Dispatcher | None = None,
) -> Plan[Array]:
    """What attention() does, prepared for many calls on the same arrays; write new queries, keys and values into them.

    The plan keeps the arrays alive. Arguments and errors are those of attention().
    """
    package = _package(q)
    native = _native.Plan(
        _dispatcher(dispatcher), q, k, v, out, mechanism, causal, softmax_scale, layout,
        list(seqlens_kv) if seqlens_kv is not None else None, list(allowed), package == "numpy",
    )
    return Plan(native, out if out is not None else _as_arrays_of(package, native.result))


def choose(
    *,
    num_q_heads: int,
    seqlen_q: int,
    head_dim: int,
    batch: int = 1,
    num_kv_heads: int | None = None,
    seqlen_kv: int | None = None,
    head_dim_v: int | None = None,
    dtype: DType = "f32",
    mechanism: str | None = None,
    causal: bool = False,
    softmax_scale: float | None = None,
    layout: Layout = "bhsd",
    allowed: Sequence[str] = (),
    dispatcher: Dispatcher | None = None,
) -> Decision:
    """The kernel that ``attention()`` would use for arrays of these sizes, and why.

    What is None is: ``num_kv_heads`` as many as query heads, ``seqlen_kv`` as ``seqlen_q``, ``head_dim_v`` as ``head_dim``.
    The rest as in ``attention()``.

    Raises:
        InputError: The problem makes no sense. That no kernel may be used is a decision: its ``kernel`` is None.
    """
    return _native.choose(
        _dispatcher(dispatcher), batch, num_q_heads, num_q_heads if num_kv_heads is None else num_kv_heads, seqlen_q,
        seqlen_q if seqlen_kv is None else seqlen_kv, head_dim, head_dim if head_dim_v is None else head_dim_v, dtype,
        mechanism, causal, softmax_scale, layout, list(allowed),
    )

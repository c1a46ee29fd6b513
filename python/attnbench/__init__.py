"""Attention on the CPU kernel that suits the problem.

>>> import attnbench, numpy as np
>>> q = np.random.randn(1, 8, 128, 64).astype(np.float32)
>>> k, v = (np.random.randn(1, 2, 128, 64).astype(np.float32) for _ in range(2))
>>> attnbench.attention(q, k, v, causal=True).shape
(1, 8, 128, 64)

Sizes below: B batch, H query heads, G heads of K and V (which divides H), N queries, M keys, D and E elements of a head of
Q and K, and of V.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from . import _native
from ._native import Decision, Dispatcher, InputError, __version__, load_plugin

__all__ = ["Decision", "Dispatcher", "InputError", "attention", "choose", "load_plugin", "__version__"]

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
    package = type(q).__module__.partition(".")[0]
    result: Any = _native.attention(
        _dispatcher(dispatcher), q, k, v, out, mechanism, causal, softmax_scale, layout,
        list(seqlens_kv) if seqlens_kv is not None else None, list(allowed), package == "numpy",
    )
    if out is not None:
        return out
    from_dlpack = getattr(sys.modules.get(package), "from_dlpack", None)
    return result if package == "numpy" or from_dlpack is None else from_dlpack(result)


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

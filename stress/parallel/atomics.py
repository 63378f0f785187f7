"""LLVM's atomic instructions on raw addresses, for code that numba compiles.

They are sequentially consistent unless they say otherwise.

Compiled code is kept in a cache. numba's own check of its cache looks at a function's own file, and
not at the modules whose constants it uses. The cache is therefore a folder named after a hash of
all these files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from stress.sources import ROOT

SOURCES = (
    "sim/core/ledger.py",
    "sim/core/pte.py",
    "sim/core/step.py",
    "stress/parallel/atomics.py",
    "stress/parallel/board.py",
    "stress/parallel/native.py",
)
"""The files that compiled code has functions or constants of."""


def cache_folder() -> Path | None:
    """Return the folder that compiled code is kept in, or None if there can be none: then every
    first start compiles.
    """
    total = hashlib.blake2b(digest_size=8)
    for name in SOURCES:
        total.update((ROOT / name).read_bytes())
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "zapstress", total.hexdigest())
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK) else None


_FOLDER = cache_folder()
if _FOLDER is not None:
    vars(numba.config)["CACHE_DIR"] = str(_FOLDER)

_WORD = ir.IntType(64)

_Compiled = TypeVar("_Compiled", bound=Callable[..., Any])

compiled: Callable[[str], Callable[[_Compiled], _Compiled]] = cast(Any, partial(njit, cache=_FOLDER is not None))
"""Compiles a function for a signature, and keeps it in the cache."""


_primitive: Callable[[Any], Callable[..., int]] = intrinsic


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())


def _rmw(operation: str) -> Callable[..., int]:
    @_primitive
    def atomic(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, _pointer(builder, args[0]), args[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return atomic


fetch_add, exchange = _rmw("add"), _rmw("xchg")


@_primitive
def load(typing: Any, address: Any) -> Any:
    """Return the word at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@_primitive
def store(typing: Any, address: Any, value: Any) -> Any:
    """Set the word at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@_primitive
def release(typing: Any, address: Any, value: Any) -> Any:
    """Set the word at ``address``, with release ordering: after every access before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@_primitive
def compare_exchange(typing: Any, address: Any, expected: Any, value: Any) -> Any:
    """Store ``value`` if the word at ``address`` is ``expected``; return what it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 0)

    return types.int64(types.int64, types.int64, types.int64), generate

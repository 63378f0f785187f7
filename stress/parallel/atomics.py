"""LLVM's atomic instructions on raw addresses, for code that numba compiles. Sequentially consistent unless they say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_WORD = ir.IntType(64)

_Compiled = TypeVar("_Compiled", bound=Callable[..., Any])

compiled: Callable[[str], Callable[[_Compiled], _Compiled]] = cast(Any, partial(njit, cache=True))
"""Compile for a signature; kept on disk beside the source, or in the user's cache where that cannot be written."""


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
    """Set the word at ``address``, after everything that was done before (release)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@_primitive
def compare_exchange(typing: Any, address: Any, expected: Any, value: Any) -> Any:
    """Return what was found; the value is stored if that is what was expected."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 0)

    return types.int64(types.int64, types.int64, types.int64), generate

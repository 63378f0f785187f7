"""Either compiler makes of words what Python makes of integers, or gives up for want of room."""

from __future__ import annotations

import ctypes
import struct
from itertools import product
from pathlib import Path

import pytest

from stress.native import compilers
from stress.native.build import compiled
from stress.native.compilers import FAST, QUICK, READ_WRITE, RELRO, STACK, BuildError, cc, compiler, require, tcc
from stress.native.files import read

TEXT = f"""
{read("words.h")}
#ifndef __TINYC__
#include <setjmp.h>
#endif
i64 RET[8], cap, *SP, *SP_END;
static jmp_buf out;
void bail(i64 why) {{ longjmp(out, 1); }}
EXPORT i64 made(i64 what, i64 a, i64 b, i64 *result) {{
  if (setjmp(out)) return 0;
  switch (what) {{
    case 0: *result = mul(a, b); break;
    case 1: *result = fdiv(a, b); break;
    case 2: *result = fmod_(a, b); break;
    case 3: *result = shl(a, b); break;
    case 4: *result = shr(a, b); break;
    case 5: *result = bit_length(a); break;
  }}
  return 1;
}}
"""
OPERATIONS = (
    lambda a, b: a * b,
    lambda a, b: a // b if b else None,
    lambda a, b: a % b if b else None,
    lambda a, b: a << b if 0 <= b <= 62 else None,
    lambda a, b: a >> b if b >= 0 else None,
    lambda a, b: a.bit_length(),
)
WORDS = sorted({sign * ((1 << n) + d) for n in (0, 2, 31, 32, 61, 62, 63) for d in (-1, 0, 1) for sign in (1, -1)})
LEAST, MOST = -(1 << 63), (1 << 63) - 1


@pytest.mark.parametrize("level", [QUICK, FAST])
def test_words_are_integers_or_nothing(level: str, tmp_path: Path) -> None:
    if compiler(level) is None:
        pytest.skip("no C compiler")
    made = ctypes.CDLL(str(compiled({"words": TEXT}, level, tmp_path))).made
    result = ctypes.c_int64()
    words = [word for word in WORDS if LEAST <= word <= MOST]
    for (what, operation), a, b in product(enumerate(OPERATIONS), words, words):
        expected = operation(a, b)
        fits = expected is not None and LEAST <= expected <= MOST and (what not in (1, 2) or (a, b) != (LEAST, -1))
        done = made(*map(ctypes.c_int64, (what, a, b)), ctypes.byref(result))
        assert (bool(done), result.value if done else 0) == (fits, expected if fits else 0), (what, a, b)


@pytest.mark.skipif(tcc() is None, reason="the extra `native` is not installed")
def test_what_the_small_compiler_links_wants_no_executable_stack(tmp_path: Path) -> None:
    data = compiled({"words": TEXT}, QUICK, tmp_path).read_bytes()
    first, (size, nr) = struct.unpack_from("=Q", data, 32)[0], struct.unpack_from("=HH", data, 54)
    headers = [struct.unpack_from("=II", data, first + k * size) for k in range(nr)]
    assert (STACK, READ_WRITE) in headers and RELRO not in [kind for kind, _ in headers]


def test_each_level_has_the_compiler_that_is_best_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small one is soonest done; alone, it does all but what only ``cc`` can."""
    small = compilers.Compiler("tcc", (), (), False)
    monkeypatch.setattr(compilers, "tcc", lambda: small)
    for path, levels in {"": [small, small, None], "cc": [small, "cc", "cc"]}.items():
        monkeypatch.setattr(compilers, "cc", lambda path=path: path)
        found = [compiler(level) for level in (QUICK, FAST, "-O2")]
        assert levels == [one.path if one is not None and one is not small else one for one in found]
    monkeypatch.setattr(compilers, "tcc", lambda: None)
    assert "-O0" in require(QUICK).flags
    monkeypatch.setattr(compilers, "cc", str)
    with pytest.raises(BuildError, match="install cc .* or the extra `native`"):
        require()


def test_a_compiler_that_is_named_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "another")
    for found in (cc, tcc):
        found.cache_clear()
    try:
        assert ("", None) == (cc(), tcc())
    finally:
        for found in (cc, tcc):
            found.cache_clear()

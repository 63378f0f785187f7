"""A plain translation as one file of C: whatever is called is there to be written in place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from importlib import resources
from typing import Any

from stress.native.files import code_of, read
from stress.native.plain.arena import C_TYPES, FLAGS, words_of_flags
from stress.native.plain.function import PlainFunction, PlainUnit
from stress.native.runner import LIST_MIN, SLACK
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import TableEntry

CONSTANT = ("kernel.geometry.", "kernel.world.cpus", "kernel.world.mms")
"""Paths of what is the same in every world of a plain kernel, as it is in a kernel's own text."""

_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
_TALLY = re.compile(r"^ *(\w+)\((\w+)\) = \(\1\(\2\) \+ 1\);$", re.MULTILINE)

END = """
/* Do `n` atomic additions, each to a cell that is in the cache; return the CPU time that they took, in ns. */
EXPORT i64 zap_atomics(i64 n) {
  static int32_t cells[512];
  struct timespec from, to;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  for (i64 k = 0; k < n; k++) __atomic_add_fetch(&cells[k % 512], -1, __ATOMIC_SEQ_CST);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
  return (to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec;
}
EXPORT void zap_use(char *block, const i64 *table, i64 *scratch, i64 words) {
  SP = scratch, SP_END = scratch + words;
  use(block, table);
}
/* Do one piece of work; return CLEAN, or why it was given up. `ns` is the CPU time that it took. */
EXPORT i64 zap_do(i64 which, const i64 *a, i64 *ns) {
  struct timespec from, to;
  i64 *const sp = SP;
  bailed = CLEAN;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
  if (!setjmp(out)) root(which, a);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
  SP = sp;
  *ns = (to.tv_sec - from.tv_sec) * 1000000000ll + to.tv_nsec - from.tv_nsec;
  return bailed;
}
"""


def room_of(kernel: Any) -> int:
    """Return how many elements a list has room for."""
    g = kernel.geometry
    return SLACK + int(max(LIST_MIN, g.gather_batch, g.ptrs_per_pte, g.table_batch))


def text_of(unit: PlainUnit, roots: list[PlainFunction], types: dict[str, str], calls_nr: int) -> str:
    """Return the C of a unit; ``roots`` are the pieces of work, by number, ``types`` those of the
    columns.
    """
    functions: list[PlainFunction] = unit.done
    bodies = without_tallies([function.text() for function in functions], types)
    used = {word for body in bodies for word in _WORD.findall(code_of(body))}
    parts = [
        f"#define cap {room_of(unit.kernel)}ll",
        read("words.h"),
        read("words.c"),
        resources.files("stress.native.plain").joinpath("runtime.h").read_text(encoding="utf-8"),
        *_numbers(unit, calls_nr),
        *_columns(unit, types, used),
        *_entries(unit, types),
        *(f"static const i64 {name}[] = {{{', '.join(map(str, values))}}};" for values, name in unit.tables.items()),
        *(f"static i64 {name};" for name in unit.overrides.values()),
        *(f"static {function.prototype()}" for function in functions),
        *bodies,
        *_roots(roots),
        END,
    ]
    return "\n".join(parts)


def without_tallies(bodies: list[str], columns: Collection[str]) -> list[str]:
    """Leave out columns that are counted on and never read: what the checkers count by (the
    generation of a page), and no kernel has.
    """
    code = "\n".join(map(code_of, bodies))
    words, tallied = Counter(_WORD.findall(code)), Counter(name for name, _ in _TALLY.findall(code))
    unread = {name for name, nr in tallied.items() if name in columns and words[name] == 2 * nr}
    return [_TALLY.sub(lambda found: "" if found[1] in unread else found[0], body) for body in bodies]


def _numbers(unit: PlainUnit, calls_nr: int) -> Iterator[str]:
    """Yield the numbers of sites and columns, and what is counted by them."""
    names = [*unit.sites.values(), "SITES_NR"]
    yield f"enum {{ {', '.join(names)} }};"
    columns = [f"N_{field.name}" for field in unit.kernel.layout.fields]
    yield f"enum {{ {', '.join([*columns, 'COLUMNS_NR'])} }};"
    yield f"static i64 made[SITES_NR * COLUMNS_NR * KINDS_NR + 1], calls[{2 * calls_nr + 1}];"
    yield "EXPORT i64 *zap_made(void) { return made; }\nEXPORT i64 *zap_calls(void) { return calls; }"


def _columns(unit: PlainUnit, types: dict[str, str], used: set[str]) -> Iterator[str]:
    """Yield the columns that are used, each of its own type."""
    flags, based = words_of_flags(unit.kernel.layout.fields, types), set[int]()
    for field in unit.kernel.layout.fields:
        name, kind = field.name, C_TYPES[types[field.name]]
        if not {name, f"c_{name}", f"n_{name}"} & used:
            continue
        if name not in flags:
            yield f"static {kind} *c_{name}; static i64 n_{name};\n#define {name}(i) c_{name}[ix(i, n_{name})]"
            continue
        if f"c_{name}" in used:
            raise Unsupported("slice", f"{name}: plain mode keeps the flags of a page in a word")
        word, byte = flags[name]
        if word not in based:
            yield f"static char *c_flags_{word}; static i64 n_flags_{word};"
            based.add(word)
        yield f"#define {name}(i) (*({kind} *)(c_flags_{word} + {FLAGS} * ix(i, n_flags_{word}) + {byte}))"


def is_constant(entry: TableEntry) -> bool:
    """Return whether a word of the table stands in the text."""
    path = entry.path
    of_profile = path.startswith("kernel.components[") and ".profile." in path
    return entry.kind == "word" and (of_profile or path.startswith(CONSTANT))


def value_of(path: str, names: dict[str, Any]) -> Any:
    """Return what a path leads to."""
    return eval(path, {"__builtins__": {"len": len, "bool": bool}}, names)


def _entries(unit: PlainUnit, types: dict[str, str]) -> Iterator[str]:
    """Yield the table's words, and the function that points everything at a world."""
    variable = []
    for entry in unit.entries.values():
        if is_constant(entry):
            yield f"#define {entry.name} {int(value_of(entry.path, {'kernel': unit.kernel}))}ll"
        else:
            variable.append(entry.name)
            yield f"static i64 {entry.name};"
    flags = words_of_flags(unit.kernel.layout.fields, types)
    yield "static void use(char *block, const i64 *table) {"
    for at, field in enumerate(unit.kernel.layout.fields):
        word, byte = flags.get(field.name, (-1, 0))
        name = field.name if word < 0 else f"flags_{word}"
        yield f"#ifdef {field.name}"
        yield f"  c_{name} = (void *)(block + table[{2 * at}] - {byte}), n_{name} = table[{2 * at + 1}];"
        yield "#endif"
    first = 2 * len(unit.kernel.layout.fields)
    yield from (f"  {name} = table[{at}];" for at, name in enumerate(variable, first))
    yield "}"


def _roots(roots: list[PlainFunction]) -> Iterator[str]:
    """Yield the function that does a piece of work by its number."""
    yield "static void root(i64 which, const i64 *a) {"
    yield "  switch (which) {"
    for number, function in enumerate(roots):
        args = ", ".join(f"a[{k}]" for k in range(len(function.params)))
        yield f"    case {number}: {function.c_name}({args}); break;"
    yield from ("  }", "}")

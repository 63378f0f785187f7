"""The files of C that a translation is written to, and the one that holds what all of them share.

There is a file for each source file of the model: what is edited there changes that file, and those
that call into it if what is called has changed its arguments. Names in the C depend on nothing but
what they name, so files are the same from one kernel to the next where the kernels are.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

from sim.core.step import SITE_SHIFT
from stress.native.translate.assemble import HELD_MAX, Translation
from stress.native.translate.function import Function
from stress.native.translate.sources import label

SHARED = "kernel"
"""The file that holds what all share: columns, table, strategies' memory, the runtime."""

SEARCH = ("search.c", "futures.c", "sleep.c", "explore.c", "resume.c", "races.c", "classes.c")
"""What stands behind the runtime in the flavour for exhaustive search."""

_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
_COMMENT = re.compile(r"^\s*(//.*|/\*.*\*/)\n", re.MULTILINE)


def files_of(program: Translation, search: bool = False) -> dict[str, str]:
    """Return the C of a translation: name of a file -> text; ``search``: in the flavour that
    can make and take back single transitions.
    """
    by_file: dict[str, list[Function]] = {}
    for function in program.unit.done:
        by_file.setdefault(_file(label(function.home.file)), []).append(function)
    names = _Names(program, search)
    found = {name: names.file(functions) for name, functions in by_file.items()}
    found[SHARED] = names.shared()
    return found


def hashes_of(program: Translation) -> dict[str, str]:
    """Return a hash of the C of each function. Names in it say what they stand for, so that a
    function whose hash is the same does the same, where the functions that it calls and the table
    do.
    """
    gates = {f"gate {key}": name for key, name in program.gates.items()}
    texts = {function.c_name: code_of(function.text()) for function in program.unit.done}
    return gates | {name: digest_of(text) for name, text in sorted(texts.items())}


def digest_of(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _file(name: str) -> str:
    """Return the file for what a file of source becomes: one for all of the small ones of a kind,
    as every file of C takes a moment to compile.
    """
    return next((kind for kind in ("scenarios", "strategies") if name.startswith(f"{kind}_")), name)


def code_of(text: str) -> str:
    """Return what of a file is compiled: all but comments."""
    return _COMMENT.sub("", text)


class _Names:
    """What each global name of a translation is declared as, and what defines it."""

    def __init__(self, program: Translation, search: bool) -> None:
        self.program, self.search, unit = program, search, program.unit
        self.columns = [field.name for field in unit.kernel.layout.fields]
        self.counters = list(unit.overrides.values())
        self.words = [*unit.sites.values(), *(entry.name for entry in unit.entries.values())]
        self.functions = {function.c_name: function for function in unit.done}
        self.tables = {name: values for values, name in unit.tables.items()}
        self.kept = {f"H_{module}_{name}": kind for module, name, kind in program.held()}

    def file(self, functions: list[Function]) -> str:
        """Return the text of the file that defines ``functions``."""
        bodies = [function.text() for function in functions]
        mine = {function.c_name for function in functions}
        declared = self.declarations(self.used(bodies), mine)
        return "\n".join(
            [head(self.search), *declared, *(f.prototype() for f in functions), *self.conditions(bodies), *bodies, ""]
        )

    def used(self, texts: Iterable[str]) -> list[str]:
        """Return the words of C that occur in ``texts``, and in what is defined for them."""
        found: dict[str, None] = {}
        for text in texts:
            found.update(dict.fromkeys(_WORD.findall(code_of(text))))
        for name in [name for name in found if name in self.program.unit.predicates]:
            found.update(dict.fromkeys(_WORD.findall(self.program.unit.predicates[name])))
        return sorted(found)

    def declarations(self, used: Iterable[str], mine: set[str]) -> Iterator[str]:
        """Yield the declarations of what is ``used``, but for functions that are defined there."""
        columns, words = set(self.columns), {*self.words, *self.counters}
        for name in sorted({name.removeprefix("c_").removeprefix("n_") for name in used} & columns):
            yield f"extern i64 *c_{name}, n_{name};\n#define {name}(i) CELL(c_{name}, ix(i, n_{name}))"
        for name in used:
            if name in words:
                yield f"extern i64 {name};"
            elif name in self.kept:
                yield f"extern {held_as(name, self.kept[name])};"
            elif name in self.tables:
                yield f"static const i64 {name}[] = {{{', '.join(map(str, self.tables[name]))}}};"
            elif name in self.functions and name not in mine:
                yield self.functions[name].prototype(whole=False)

    def conditions(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield the conditions of waits that occur in ``texts``."""
        predicates = self.program.unit.predicates
        for name in self.used(texts):
            if name in predicates:
                yield f"static i64 {name}(const i64 *a) {{ return {predicates[name]}; }}"

    # -- what all share --------------------------------------------------------------------------------------------

    def shared(self) -> str:
        """Return the text of the file that holds what all share."""
        defined = [f"i64 *c_{name}, n_{name};" for name in self.columns]
        defined += [f"i64 {name};" for name in (*self.words, *self.counters)]
        defined += [f"{held_as(name, kind)};" for name, kind in self.kept.items()]
        kept = [name if kind == "list" else f"&{name}" for name, kind in self.kept.items() if kind != "stream"]
        defined.append(f"static i64 *const held[] = {{{', '.join(kept)}}};")
        defined.append(f"enum {{ RUNS_NR = {len(self.counters)} }};")
        defined.append(f"static i64 *const runs[RUNS_NR + 1] = {{{', '.join(f'&{name}' for name in self.counters)}}};")
        gates = ", ".join(self.program.gates.values())
        roots = [f"static const ready gates[] = {{{gates}}};", *self.roots(), *self.use()]
        return "\n".join(
            [
                head(self.search),
                *self.declarations(self.used(roots), set()),
                *self.conditions(roots),
                *defined,
                *roots,
                *map(read, ("words.c", "runtime.c", *(SEARCH if self.search else ()))),
            ]
        )

    def roots(self) -> Iterator[str]:
        """Yield what starts a body, and what calls the strategy and the audit."""
        program = self.program
        yield from ("static int start(const struct actor *a, struct head *f) {", "  switch (a->body) {")
        for number, function in program.bodies.values():
            args = "".join(f" F->{name} = a->args[{k}];" for k, name in enumerate(function.params))
            yield f"    case {number}: {{ struct {function.c_name} *F = (void *)f;{args}"
            yield f"      f->run = (resume){function.c_name}; return {function.c_name}(F); }}"
        yield from ("  }", "  bail(INDEX);", "}")
        methods = [
            (f"H_{module}_free", fs)
            for module, fs in zip(program.strategy_held, program.strategies.values(), strict=True)
        ]
        for head_, method, args in (
            ("void strategy_start(u64 seed, i64 slots)", "start", "(i64)seed, slots"),
            ("i64 choose(const i64 *enabled, i64 current, i64 step)", "choose", "(i64)enabled, current, step"),
            ("void strategy_finish(i64 steps)", "finish", "steps"),
        ):
            calls = [f"{'return ' * head_.startswith('i64')}{fs[method].c_name}({args}); break;" for _, fs in methods]
            yield from self.switch(head_, calls)
        yield from self.switch("i64 granted(void)", [f"return {free};" for free, _ in methods])
        yield f"static void audit(void) {{ {f'{program.audit.c_name}();' if program.audit else 'bail(RAISED);'} }}"

    def switch(self, head_: str, calls: list[str]) -> Iterator[str]:
        """Yield a function that does one of several things, by the strategy."""
        yield f"static {head_} {{"
        yield "  switch (S.strategy) {"
        yield from (f"    case {number}: {call}" for number, call in enumerate(calls))
        yield from ("  }", *(["  bail(INDEX);"] if head_.startswith("i64") else []), "}")

    def use(self) -> Iterator[str]:
        """Yield the function that points the columns at a world's block and reads its table."""
        yield "static void use(i64 *block, const i64 *table) {"
        for at, name in enumerate(self.columns):
            yield f"  c_{name} = block + table[{2 * at}], n_{name} = table[{2 * at + 1}];"
        for at, name in enumerate(self.words, 2 * len(self.columns)):
            yield f"  {name} = table[{at}];"
        yield "}"


def held_as(name: str, kind: str) -> str:
    """Return the declaration of what a strategy keeps."""
    return {"word": f"i64 {name}", "list": f"i64 {name}[{1 + HELD_MAX}]", "stream": f"u64 {name}"}[kind]


@cache
def head(search: bool) -> str:
    """Return what every file begins with."""
    flavour = "#define SEARCH\n" if search else ""
    constants = f"#define DATA_PURPOSE {zlib.crc32(b'data')}u\n#define SITE_SHIFT {SITE_SHIFT}\n"
    return flavour + constants + read("words.h") + read("runtime.h")


@cache
def read(name: str) -> str:
    """Return a file of C that comes with the package."""
    return resources.files("stress.native.translate").joinpath(name).read_text(encoding="utf-8")

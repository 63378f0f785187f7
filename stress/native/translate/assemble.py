"""Puts a unit together: which functions are its roots, and the C text of the whole.

Roots are the bodies of the actors (of scenarios, of the hardware, of RCU), the conditions that open
their gates, the strategies, and the audit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from sim.core.machine import SITES, Actor
from sim.core.step import SITE_SHIFT, site_of
from stress.scenario import Scenario

if TYPE_CHECKING:
    from sim.checks.recount import Recount
from stress.native.translate.expressions import vars_of
from stress.native.translate.function import Function
from stress.native.translate.sources import Root, home_of, node_of, root_of
from stress.native.translate.unit import Unit
from stress.native.translate.values import Closure, Row, Static, Value, Word

HELD_MAX = 4096
"""Elements of a list that a strategy keeps."""


@dataclass
class Manifest:
    """What must be known of a translation to run a case with it: plain data, kept beside the code."""

    columns: list[str]
    sites: list[str]
    """Names, in the table's order: their numbers differ from process to process."""
    entries: list[tuple[str, str, str]]
    """(path, the scenario whose path it is, "word" or "list"), in the table's order."""
    assumptions: list[tuple[str, str, Any]]
    """(scenario, expression, what it must be)."""
    bodies: dict[str, int]
    gates: dict[str, int]
    strategies: list[str]
    held: list[tuple[str, str]]
    """(module of a strategy, attribute): the integers that strategies keep."""
    checks: list[tuple[str, int]]
    """(function, line) of each place where a checker objects."""
    left_out: dict[str, str]
    """Scenarios that are not translated, each with the reason."""


@dataclass
class Translation:
    """A unit in the making: roots, and what stands for them in the C."""

    unit: Unit
    bodies: dict[str, tuple[int, Function]] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)
    strategies: dict[str, dict[str, Function]] = field(default_factory=dict)
    strategy_held: dict[str, dict[str, str]] = field(default_factory=dict)
    audit: Function | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    """Scenarios that lie outside the subset, each with the reason."""

    # -- roots -----------------------------------------------------------------------------------------------------

    def add_scenario(self, scenario: Scenario, name: str, services: Iterable[Actor]) -> None:
        """Translate the bodies of a scenario's actors, and of the services, that are not there yet."""
        self.unit.enter(scenario, name)
        for actor in [*(Actor(cpu, what, body) for what, cpu, body in scenario.actors()), *services]:
            self._add_body(root_of(actor.body, self.unit.kernel, scenario, name))
            if actor.ready is not None:
                self._add_gate(root_of(actor.ready, self.unit.kernel, scenario, name))

    def _add_body(self, root: Root) -> None:
        if root.key in self.bodies:
            return
        node, home = node_of(root.function), home_of(root.function)
        parameters = [arg.arg for arg in node.args.args]
        values = {name: self._value(name, obj) for name, obj in root.captured.items()}
        closure = Closure(node, {name: value for name, value in values.items() if name not in parameters}, home)
        function, _ = self.unit.function(closure, [values[name] for name in parameters], True)
        self.bodies[root.key] = (len(self.bodies), function)

    def _value(self, name: str, obj: Any) -> Value:
        return Word(f"captured_{name}") if isinstance(obj, int) else self.unit.lift(obj)

    def _add_gate(self, root: Root) -> None:
        if root.key in self.gates:
            return
        integers = [name for name, obj in root.captured.items() if isinstance(obj, int)]
        env = {name: self.unit.lift(obj) for name, obj in root.captured.items()}
        env |= {name: Word(f"a[{k}]") for k, name in enumerate(integers)}
        closure = Closure(node_of(root.function), env, home_of(root.function))
        number, _ = Function(self.unit, closure, [], False, 0, 0).condition_of(closure)
        self.gates[root.key] = number

    def add_strategy(self, name: str, strategy: Any) -> None:
        """Translate a strategy; what it keeps is seen from an example that has chosen once."""
        strategy.start(1, 3)
        strategy.choose([0, 1], 0, 0)
        held = {}
        for attribute, value in ({"free": strategy.free} | vars(strategy)).items():
            held[attribute] = "word" if isinstance(value, int) else "list" if isinstance(value, list) else "stream"
        self.unit.kept.append(strategy)
        self.unit.held[id(strategy)] = self.strategy_held[module_of(strategy)] = dict(sorted(held.items()))
        methods: dict[str, list[Value]] = {
            "start": [Word("seed"), Word("slots")],
            "choose": [Row("P(0)"), Word("0"), Word("0")],
            "finish": [Word("0")],
        }
        self.strategies[name] = {}
        for method, args in methods.items():
            live = getattr(type(strategy), method)
            found, _ = self.unit.function(Static(live), [Static(strategy), *args], False)
            self.strategies[name][method] = found

    def add_audit(self, audit: Recount) -> None:
        """Translate the audit of a world that is quiet and drained."""
        self.audit, _ = self.unit.function(Static(vars_of(type(audit), "recount")), [self.unit.lift(audit)], False)

    # -- the text --------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """Return the whole C file."""
        functions: Sequence[Function] = self.unit.done
        parts = [
            f"#define DATA_PURPOSE {zlib.crc32(b'data')}u\n#define SITE_SHIFT {SITE_SHIFT}",
            read("runtime.h"),
            self._globals(),
            *(function.prototype() for function in functions),
            self._readiness(),
            *(function.text() for function in functions),
            self._roots(),
            self._use(),
            read("harness.h"),
        ]
        return "\n".join(parts)

    def _globals(self) -> str:
        """Columns, sites, entries, constant lists, and what strategies keep."""
        unit = self.unit
        names = [field.name for field in unit.kernel.layout.fields]
        out = [f"static i64 *c_{name}, n_{name};\n#define {name}(i) c_{name}[ix(i, n_{name})]" for name in names]
        words = [*unit.sites.values(), *(entry.name for entry in unit.entries.values())]
        out += [f"static i64 {name};" for name in words]
        out += [
            f"static const i64 {name}[] = {{{', '.join(map(str, values))}}};" for values, name in unit.tables.items()
        ]
        return "\n".join([*out, self._held()])

    def _held(self) -> str:
        words, others = [], []
        for name, held in self.strategy_held.items():
            for attribute, kind in held.items():
                if kind == "word":
                    words.append(f"i64 {name}_{attribute};")
                else:
                    others.append(
                        f"i64 {name}_{attribute}[{1 + HELD_MAX}];" if kind == "list" else f"u64 {name}_{attribute};"
                    )
        return "static struct { " + " ".join([*words, *others]) + " } H;\n#define HELD ((i64 *)&H)"

    def manifest(self) -> Manifest:
        """Return what must be known to run a case."""
        unit = self.unit
        words = [(name, a) for name, held in self.strategy_held.items() for a, kind in held.items() if kind == "word"]
        return Manifest(
            columns=[field.name for field in unit.kernel.layout.fields],
            sites=[SITES[site_of(code)].name for code in unit.sites],
            entries=[(entry.path, entry.owner, entry.kind) for entry in unit.entries.values()],
            assumptions=[(owner, what, value) for (owner, what), value in unit.assumptions.items()],
            bodies={key: number for key, (number, _) in self.bodies.items()},
            gates=dict(self.gates),
            strategies=list(self.strategies),
            held=words,
            checks=[(check.function, check.line) for check in unit.checks],
            left_out=self.left_out,
        )

    def _readiness(self) -> str:
        cases = [f"    case {n}: return {c};" for n, c in enumerate(self.unit.predicates)]
        return "\n".join(
            ["static i64 is_ready(i64 which, const i64 *a) {", "  switch (which) {", *cases, "  }", "  return 0;", "}"]
        )

    def _roots(self) -> str:
        out = ["static int start(const struct actor *a, struct head *f) {", "  switch (a->body) {"]
        for number, function in self.bodies.values():
            args = "".join(f" F->{name} = a->args[{k}];" for k, name in enumerate(function.params))
            out.append(
                f"    case {number}: {{ struct {function.c_name} *F = (void *)f;{args}"
                f" f->run = (resume){function.c_name}; return {function.c_name}(F); }}"
            )
        out += ["  }", "  bail(INDEX);", "}"]
        for head, method, args in (
            ("void strategy_start(u64 seed, i64 slots)", "start", "(i64)seed, slots"),
            ("i64 choose(const i64 *enabled, i64 current, i64 step)", "choose", "(i64)enabled, current, step"),
            ("void strategy_finish(i64 steps)", "finish", "steps"),
        ):
            give = "return " if head.startswith("i64") else ""
            cases = [
                f"    case {n}: {give}{fs[method].c_name}({args}); break;"
                for n, fs in enumerate(self.strategies.values())
            ]
            out += [
                f"static {head} {{",
                "  switch (S.strategy) {",
                *cases,
                "  }",
                "  bail(INDEX);" if give else "",
                "}",
            ]
        cases = [f"    case {n}: return H.{module}_free;" for n, module in enumerate(self.strategy_held)]
        out += ["static i64 granted(void) {", "  switch (S.strategy) {", *cases, "  }", "  return 0;", "}"]
        call = f"{self.audit.c_name}();" if self.audit else "bail(RAISED);"
        return "\n".join([*out, f"static void audit(void) {{ {call} }}"])

    def _use(self) -> str:
        """The function that points the columns at a world's block and reads its table."""
        out, at = ["static void use(i64 *block, const i64 *table) {"], 0
        for column in self.unit.kernel.layout.fields:
            out.append(f"  c_{column.name} = block + table[{at}], n_{column.name} = table[{at + 1}];")
            at += 2
        for name in (*self.unit.sites.values(), *(entry.name for entry in self.unit.entries.values())):
            out.append(f"  {name} = table[{at}];")
            at += 1
        return "\n".join([*out, "}"])


def module_of(strategy: Any) -> str:
    """Return the last part of the name of the module that a strategy is in."""
    return type(strategy).__module__.rpartition(".")[2]


def read(name: str) -> str:
    """Return a file of C that comes with the package."""
    return resources.files("stress.native.translate").joinpath(name).read_text(encoding="utf-8")

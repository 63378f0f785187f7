"""Puts a unit together: which functions are its roots, and what must be known to run it.

Roots are the bodies of the actors (of scenarios, of the hardware, of RCU), the conditions that open
their gates, the strategies, and the audit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.core.machine import SITES, Actor
from sim.core.step import site_of
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
    held: list[tuple[str, str, str]]
    """(module of a strategy, attribute, "word" or "list"): what strategies keep, but for streams."""
    checks: list[tuple[int, str, int]]
    """(bail-out number, function, line) of each place where a checker objects."""
    overrides: list[str]
    """The overrides of a patch whose runs are counted."""
    left_out: dict[str, str]
    """Scenarios that are not translated, each with the reason."""
    functions: dict[str, str] = field(default_factory=dict)
    """Functions of the C, each with a hash of its text, where that is asked for."""


@dataclass
class Translation:
    """A unit in the making: roots, and what stands for them in the C."""

    unit: Unit
    bodies: dict[str, tuple[int, Function]] = field(default_factory=dict)
    gates: dict[str, str] = field(default_factory=dict)
    """Names of the conditions in the C."""
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
        self.gates[root.key], _ = Function(self.unit, closure, [], False, 0).condition_of(closure)

    def add_strategy(self, name: str, strategy: Any) -> None:
        """Translate a strategy; what it keeps is seen from an example that has chosen once."""
        strategy.parked = [0] * 3
        strategy.start(1, 3)
        strategy.choose([0, 1], 0, 0)
        held = {}
        for attribute, value in ({"free": strategy.free} | vars(strategy)).items():
            held[attribute] = "word" if isinstance(value, int) else "list" if isinstance(value, list) else "stream"
        del held["parked"]
        self.unit.kept.append(strategy)
        self.strategy_held[module_of(strategy)] = dict(sorted(held.items()))
        self.unit.held[id(strategy)] = {**held, "parked": "parked"}
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

    # -- what is to be known of it ---------------------------------------------------------------------------------

    def held(self) -> list[tuple[str, str, str]]:
        """Return what strategies keep in run-time memory: (module, attribute, kind)."""
        return [(name, a, kind) for name, held in self.strategy_held.items() for a, kind in held.items()]

    def manifest(self) -> Manifest:
        """Return what must be known to run a case."""
        unit = self.unit
        return Manifest(
            columns=[field.name for field in unit.kernel.layout.fields],
            sites=[SITES[site_of(code)].name for code in unit.sites],
            entries=[(entry.path, entry.owner, entry.kind) for entry in unit.entries.values()],
            assumptions=[(owner, what, value) for (owner, what), value in unit.assumptions.items()],
            bodies={key: number for key, (number, _) in self.bodies.items()},
            gates={key: number for number, key in enumerate(self.gates)},
            strategies=list(self.strategies),
            held=[held for held in self.held() if held[2] != "stream"],
            checks=[(number, *where) for number, where in unit.checks.items()],
            overrides=list(unit.overrides),
            left_out=self.left_out,
        )


def module_of(strategy: Any) -> str:
    """Return the last part of the name of the module that a strategy is in."""
    return type(strategy).__module__.rpartition(".")[2]

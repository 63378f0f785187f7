"""Whether every coroutine of a patch is awaited, read from its text.

Calling an ``async def`` makes a coroutine, and does nothing else: the step is not made until the
coroutine is awaited. A call that is an operand of ``await``, an argument of another call, or what a
plain ``def`` passes on with ``return``, is well used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from stress.errors import UsageError
from stress.patch.model import Model, primitive_is_awaited

Method = ast.FunctionDef | ast.AsyncFunctionDef


def check_awaits(path: str, module: ast.Module, node: ast.ClassDef, component: str, model: Model) -> None:
    """Raise UsageError for the first call of ``node``'s methods that is to be awaited and is not,
    and for the first that is awaited and returns no coroutine.
    """
    own = {method.name: isinstance(method, ast.AsyncFunctionDef) for method in _methods(node)}
    outer = {function.name: isinstance(function, ast.AsyncFunctionDef) for function in _methods(module)}
    for method in _methods(node):
        reader = _Reader(method, component, model, own, outer)
        for call, words in reader.mistakes():
            raise UsageError(f"{path}:{call.lineno}: in {component}.{method.name}: {words}")


def _methods(node: ast.AST) -> Iterator[Method]:
    return (child for child in ast.iter_child_nodes(node) if isinstance(child, Method))


class _Reader:
    """One method, and what its calls are of."""

    def __init__(
        self, method: Method, component: str, model: Model, own: dict[str, bool], outer: dict[str, bool]
    ) -> None:
        self.method, self.component, self.model, self.own, self.outer = method, component, model, own, outer
        self.parents = {child: node for node in ast.walk(method) for child in ast.iter_child_nodes(node)}
        self.aliases: dict[str, ast.expr] = {}
        """Local names to what was assigned to them: ``gather = self.k.mmu_gather``."""
        for node in ast.walk(method):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.aliases[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                self._assign(one, other)

    def mistakes(self) -> Iterator[tuple[ast.Call, str]]:
        """Yield the calls that are awaited wrongly, or wrongly not, with what is to be done."""
        for node in ast.walk(self.method):
            if isinstance(node, ast.Call):
                awaited = self.is_awaited(node.func)
                name = ast.unparse(node.func)
                if awaited and not self._well_used(node):
                    yield node, f"{name}() is a coroutine that is never awaited: write 'await {name}(...)'"
                if awaited is False and isinstance(self.parents.get(node), ast.Await):
                    yield node, f"{name}() returns no coroutine: leave out its 'await'"

    def is_awaited(self, function: ast.expr) -> bool | None:
        """Return whether callers await ``function``, or None if it is none that is known."""
        if isinstance(function, ast.Name):
            alias = self.aliases.get(function.id)
            return self.is_awaited(alias) if isinstance(alias, ast.Attribute) else self.outer.get(function.id)
        if not isinstance(function, ast.Attribute):
            return None
        owner = self._owner(function.value)
        if owner == "m":
            return primitive_is_awaited(function.attr)
        if owner == "self" and function.attr in self.own:
            return True if self.own[function.attr] else self._model_says(self.component, function.attr)
        if owner in ("self", "super"):
            return self._model_says(self.component, function.attr)
        return self._model_says(owner, function.attr) if owner else None

    def _model_says(self, component: str, name: str) -> bool | None:
        return self.model.is_awaited(component, name)

    def _owner(self, value: ast.expr) -> str:
        """Return whose method is called: ``self``, ``super``, ``m``, a component, or ``""``."""
        if isinstance(value, ast.Name) and value.id in self.aliases:
            return self._owner(self.aliases[value.id]) if self.aliases[value.id] is not value else ""
        words = ast.unparse(value)
        if words in ("self", "super()"):
            return words.removesuffix("()")
        if words in ("self.m", "self.k.machine"):
            return "m"
        for kernel in ("self.k.", *(f"{name}." for name, of in self.aliases.items() if ast.unparse(of) == "self.k")):
            if words.startswith(kernel) and words[len(kernel) :] in self.model.classes:
                return words[len(kernel) :]
        return ""

    def _well_used(self, call: ast.Call) -> bool:
        """Return whether the coroutine that a call makes comes to be awaited, as far as can be
        seen.
        """
        parent = self.parents.get(call)
        while isinstance(parent, ast.IfExp) and call is not parent.test:
            call, parent = parent, self.parents.get(parent)  # type: ignore[assignment]
        if isinstance(parent, ast.Await | ast.Lambda | ast.Yield | ast.keyword | ast.Starred):
            return True
        if isinstance(parent, ast.Call):
            return call is not parent.func
        if isinstance(parent, ast.Return):
            return not self._in_async(parent)
        if isinstance(parent, ast.Assign | ast.NamedExpr | ast.AnnAssign):
            return self._read_later(parent)
        return isinstance(parent, ast.List | ast.Tuple | ast.Dict | ast.comprehension | ast.GeneratorExp | ast.ListComp)

    def _in_async(self, node: ast.AST) -> bool:
        """Return whether the innermost function around ``node`` is async."""
        while not isinstance(node, Method | ast.Lambda):
            node = self.parents[node]
        return isinstance(node, ast.AsyncFunctionDef)

    def _read_later(self, parent: ast.AST) -> bool:
        """Return whether a name that a coroutine is assigned to is awaited, passed on or returned
        somewhere.
        """
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]  # type: ignore[attr-defined]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        return any(
            isinstance(node, ast.Name)
            and node.id in names
            and isinstance(node.ctx, ast.Load)
            and isinstance(self.parents.get(node), ast.Await | ast.Call | ast.Return | ast.List | ast.Tuple)
            for node in ast.walk(self.method)
        )

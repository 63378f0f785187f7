"""Whether a patch overrides what is there: the names, the signatures, and where each can run."""

from __future__ import annotations

import ast
import difflib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stress.errors import UsageError
from stress.patch.awaits import check_awaits
from stress.patch.load import Patch, SourceFile, component_of
from stress.patch.model import Model, Place, returns_awaitable

Method = ast.FunctionDef | ast.AsyncFunctionDef

ABOUT = ("component", "depth", "id", "kernels", "scenario", "silent")
"""What a class says of itself: a patch may have been a planted fault, or become one."""

NEAR = 0.5
"""How alike a name must be to be offered in place of another (difflib's ratio)."""

_MODELS = ("sim", "builtins")
"""Packages whose classes are no part of a patch."""


@dataclass(frozen=True)
class Part:
    """A class of a patch: its component, and its own methods and attributes."""

    cls: type
    component: str
    members: dict[str, Any]
    """Its own, and those of its base classes that are none of the model's."""
    own: frozenset[str]
    """Those that a file of the patch defines."""
    node: ast.ClassDef
    file: SourceFile

    def line(self, name: str) -> int:
        """Return the line on which a member of the class is defined."""
        for node in self.node.body:
            if isinstance(node, Method) and node.name == name:
                return node.lineno
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    return node.lineno
        return self.node.lineno

    def place(self, name: str) -> str:
        """Return where a member is, as ``FILE:LINE: component.name``."""
        return f"{self.file.path}:{self.line(name)}: {self.component}.{name}"


def vetted(patch: Patch, model: Model, places: Sequence[Place] = ()) -> Patch:
    """Return ``patch`` with its overrides, if each of them fits the model; ``places`` are where it
    is to run, and what is there is offered for a name that is nowhere.

    Raises UsageError for a component, a method or an attribute that does not exist, for a signature
    that differs, for a coroutine that is not awaited, and for a class that overrides nothing.
    """
    overrides: dict[str, None] = {}
    used = names_used(patch)
    for part in parts_of(patch):
        check_component(part, model)
        found = [name for name in part.members if is_override(part, name, model, used, places)]
        if not found:
            raise UsageError(
                f"{part.file.path}:{part.node.lineno}: class {part.cls.__name__} overrides nothing "
                f"of {part.component}; zapstress list components shows what there is"
            )
        for name in found:
            check_kind(part, name, model)
        check_awaits(part.file.path, part.file.tree, part.node, part.component, model)
        overrides |= dict.fromkeys(f"{part.component}.{name}" for name in found)
    return replace(patch, overrides=tuple(overrides))


def parts_of(patch: Patch) -> Iterator[Part]:
    """Yield the classes of a patch."""
    for cls in patch.classes:
        bases = [base for base in reversed(cls.__mro__) if base.__module__.partition(".")[0] not in _MODELS]
        members = {name: value for base in bases for name, value in vars(base).items() if _counts(name)}
        own = frozenset(name for base in bases if _is_the_users(base, patch) for name in vars(base))
        file, node = _definition(cls, patch)
        yield Part(cls, component_of(cls), members, own, node, file)


def _counts(name: str) -> bool:
    """Return whether a class attribute may override one of the model's."""
    return (not name.startswith("__") or name == "__init__") and name not in ABOUT


def _is_the_users(cls: type, patch: Patch) -> bool:
    """Return whether a class is defined in a file of the patch."""
    return os.path.realpath(_file_of(cls)) in {os.path.realpath(file.path) for file in patch.files}


def _file_of(cls: type) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or ""


def _definition(cls: type, patch: Patch) -> tuple[SourceFile, ast.ClassDef]:
    """Return the file and the syntax of a class."""
    for file in patch.files:
        if file.path == _file_of(cls):
            for node in ast.walk(file.tree):
                if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                    return file, node
    return patch.files[0], ast.ClassDef(cls.__name__, [], [], [], [], lineno=1)


def names_used(patch: Patch) -> set[str]:
    """Return the names that methods of the patch look up as attributes: ``self.NAME``."""
    return {
        node.attr
        for file in patch.files
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def check_component(part: Part, model: Model) -> None:
    """Raise UsageError if no kernel has the component."""
    if part.component not in model.classes:
        raise UsageError(
            f"{part.file.path}:{part.node.lineno}: class {part.cls.__name__}: there is no component "
            f"'{part.component}'; {meant(part.component, model.classes) or 'there are ' + ', '.join(model.classes)}"
        )


def is_override(part: Part, name: str, model: Model, used: set[str], places: Sequence[Place] = ()) -> bool:
    """Return whether a member overrides one of the component; False if it is a helper of the
    patch's own.

    Raises UsageError if it is neither.
    """
    if model.found(part.component, name):
        return True
    if name in used or name not in part.own:
        return False
    hint = meant_member(name, part.component, model, places)
    owners = [owner for owner in model.elsewhere(name) if owner != part.component]
    if owners:
        hint = f"it is of {' and '.join(owners)}: say component = '{owners[0]}'"
    raise UsageError(
        f"{part.place(name)}: the component has no such {'method' if callable(part.members[name]) else 'attribute'}; "
        f"{hint or 'zapstress list components shows what there is'} "
        "(a helper of your own is one that another method uses)"
    )


def meant_member(name: str, component: str, model: Model, places: Sequence[Place]) -> str:
    """Return what of ``component`` may have been meant: of what it has at ``places``, and the
    nearest that it has if that is elsewhere, and where; ``""`` if nothing is near.
    """
    here = model.members(component, places)
    hints = [meant(name, here)]
    near = difflib.get_close_matches(name, model.members(component), n=1, cutoff=NEAR)
    if near and near[0] not in here:
        hints.insert(0, f"{near[0]} is there only {_named(model.places(component, near[0]), places[0])}")
    return "; ".join(filter(None, hints))


def meant(name: str, known: Any) -> str:
    """Return ``did you mean ...?``, or ``""`` if nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=NEAR)
    return f"did you mean {' or '.join(close)}?" if close else ""


def check_kind(part: Part, name: str, model: Model) -> None:
    """Raise UsageError unless the member can be used as the model uses its own."""
    ours, theirs = part.members[name], model.found(part.component, name)
    functions = [value for value in theirs if inspect.isfunction(value)]
    if bool(functions) != inspect.isfunction(ours):
        raise UsageError(f"{part.place(name)}: it is {_words(ours)}, and in the model {_words(theirs[0])}")
    if not functions or name == "__init__":
        return
    if not any(takes(ours, function) for function in functions):
        raise UsageError(
            f"{part.place(name)}: its signature is {signature(ours)}, and in the model {signature(functions[0])}"
        )
    awaited, made = any(map(returns_awaitable, functions)), inspect.iscoroutinefunction(ours)
    if made and not awaited:
        raise UsageError(f"{part.place(name)}: it is 'async def', and the model does not await it: write 'def'")
    if awaited and not made and not returns_awaitable(ours) and not _returns_something(part, name):
        raise UsageError(f"{part.place(name)}: it is 'def', and the model awaits it: write 'async def'")


def _words(value: Any) -> str:
    return "a method" if inspect.isfunction(value) else "a property" if isinstance(value, property) else "an attribute"


def _returns_something(part: Part, name: str) -> bool:
    """Return whether a method returns a value, which may be a coroutine that it passes on."""
    methods = [node for node in part.node.body if isinstance(node, Method) and node.name == name]
    return not methods or any(isinstance(node, ast.Return) and node.value is not None for node in ast.walk(methods[0]))


def signature(function: Callable[..., Any]) -> str:
    """Return the parameters of a function, without their types."""
    return (
        "("
        + ", ".join(
            f"{'*' * (parameter.kind - 1 if parameter.kind in (2, 4) else 0)}"[: 2 if parameter.kind == 4 else 1]
            + name
            + ("=..." if parameter.default is not parameter.empty else "")
            for name, parameter in inspect.signature(function).parameters.items()
        )
        + ")"
    )


def takes(ours: Callable[..., Any], theirs: Callable[..., Any]) -> bool:
    """Return whether ``ours`` can be called as ``theirs`` is: the same names in the same order, and
    what it has besides has a default.
    """
    mine, wanted = (
        list(inspect.signature(ours).parameters.values()),
        list(inspect.signature(theirs).parameters.values()),
    )
    kinds = {parameter.kind for parameter in mine}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds:
        return True
    for own, other in zip(mine, wanted, strict=False):
        if own.name != other.name or (other.default is not other.empty and own.default is own.empty):
            return False
    return len(mine) >= len(wanted) and all(
        parameter.default is not parameter.empty for parameter in mine[len(wanted) :]
    )


def absent(patch: Patch, model: Model, place: Place) -> dict[str, str]:
    """Return the overrides that cannot run at ``place``, each with the reason."""
    found: dict[str, str] = {}
    for part in parts_of(patch):
        why = unfit(part.cls, model, place)
        for name in part.members:
            places = model.places(part.component, name)
            if places and (why or place not in places):
                found[f"{part.component}.{name}"] = why or f"it is there only {_named(places, place)}"
    return found


def unfit(cls: type, model: Model, place: Place) -> str:
    """Return why a class of a patch cannot stand in front of its component at ``place``, or ``""``."""
    component = component_of(cls)
    below = model.classes[component].get(place)
    if below is None:
        return f"{component} is there only {_named(list(model.classes[component]), place)}"
    modelled = {base for classes in model.classes.values() for found in classes.values() for base in found.__mro__}
    strange = [base for base in cls.__mro__ if base in modelled and base not in below.__mro__]
    return f"{cls.__name__} subclasses {strange[0].__name__}, and here stands {below.__name__}" if strange else ""


def _named(places: list[Place], here: Place) -> str:
    """Return places in words, as seen from another: profiles of the same version, else versions."""
    profiles = [profile for profile, version in places if version == here[1]]
    if profiles:
        return f"on {', '.join(dict.fromkeys(profiles))}"
    return "in kernel " + ", ".join(dict.fromkeys(version for _, version in places))

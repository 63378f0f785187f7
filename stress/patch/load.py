"""Loads a patch: the user's files, the classes in them that override components, and the hash of
all that.

A patch is code, and is run only when the user names its file. What runs is the text that was read
here, once per process: a file that is edited meanwhile changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sim.core.component import Component
from stress.errors import UsageError
from stress.files import read_plain
from stress.patch.spec import Spec, parse
from stress.sources import ROOT

FILE_KIB_MAX = 256
"""How large a patch's file may be."""

READ_MIB_MAX = 1
"""How much of one is read before that is known."""


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its path, as the user would type it, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse(self.text)


@dataclass(frozen=True)
class Patch:
    """What is put on top of a kernel. Made by :meth:`stress.catalogue.Catalogue.patch`."""

    specs: tuple[str, ...]
    """As they were given: ``FILE.py`` or ``FILE.py:CLASS,CLASS``."""
    files: tuple[SourceFile, ...]
    """The files named, in order, and after them what they import of the user's own."""
    classes: tuple[type, ...]
    """Each has an attribute ``component``; a later one is in front of an earlier one."""
    digest: str
    """Over the text of all files and the names of the classes: 16 hex digits."""
    overrides: tuple[str, ...] = ()
    """What the classes override, as ``memory.batch_limit``; set by :func:`stress.patch.vet.vetted`.
    """


def load(specs: Sequence[str]) -> Patch:
    """Read and run the files of ``specs``; return their classes.

    Raises UsageError for a file that cannot be read or run, and for a class that is not there or
    names no component.
    """
    files: dict[str, SourceFile] = {}
    modules: dict[str, ModuleType] = {}
    classes: list[type] = []
    for spec in map(parse, specs):
        if spec.path not in modules:
            files[spec.path] = read(spec.path)
            modules[spec.path] = run(files[spec.path])
        for cls in chosen(spec, modules[spec.path]):
            if cls in classes:
                raise UsageError(f"--patch {spec.path}: {cls.__name__} is named twice; once is enough")
            classes.append(cls)
    own = tuple(files.values())
    every = (*own, *imported(own))
    return Patch(tuple(specs), every, tuple(classes), digest(every, classes))


def digest(files: Sequence[SourceFile], classes: Sequence[type]) -> str:
    """Return the hash of a patch: of the text of its files, wherever they lie, and its classes."""
    total = hashlib.blake2b(digest_size=8)
    for file in files:
        total.update(Path(file.path).name.encode() + b"\0" + file.text.encode() + b"\0")
    total.update("\0".join(cls.__name__ for cls in classes).encode())
    return total.hexdigest()


def read(path: str, option: str = "--patch") -> SourceFile:
    """Return a file, which ``option`` has named, and its text. Raises UsageError."""
    try:
        data = read_plain(Path(path), READ_MIB_MAX)
        if len(data) > FILE_KIB_MAX << 10:
            raise UsageError(f"{option} {path}: larger than {FILE_KIB_MAX} KiB, so not a file of yours")
        return SourceFile(path, data.decode().replace("\r\n", "\n").replace("\r", "\n"))
    except FileNotFoundError:
        raise UsageError(f"{option} {path}: there is no file {path}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{option} {path}: not a text in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read ({error.strerror})") from None


def run(file: SourceFile) -> ModuleType:
    """Return the module that the text of ``file`` makes. It may import what lies beside it.

    Raises UsageError with the file and the line of what went wrong.
    """
    folder = str(Path(file.path).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    place = hashlib.blake2b(folder.encode(), digest_size=4).hexdigest()
    module = ModuleType(f"zapstress_patch_{Path(file.path).stem}_{place}")
    module.__file__ = file.path
    sys.modules[module.__name__] = module
    linecache.cache[file.path] = (len(file.text), None, file.text.splitlines(keepends=True), file.path)
    try:
        code = compile(file.text, file.path, "exec")
        _vet_names(file)
        exec(code, vars(module))
    except SyntaxError as error:
        raise UsageError(f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}") from error
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{file.path}:{line_in(error, file.path)}: {type(error).__name__}: {error}") from error
    return module


def _vet_names(file: SourceFile) -> None:
    """Raise UsageError for a second class of one name: it would take the place of the first."""
    lines: dict[str, int] = {}
    for node in file.tree.body:
        if isinstance(node, ast.ClassDef):
            if node.name in lines:
                words = f"class {node.name} is there already, in line {lines[node.name]}; rename one of them"
                raise UsageError(f"{file.path}:{node.lineno}: {words}")
            lines[node.name] = node.lineno


def line_in(error: BaseException, path: str) -> int:
    """Return the innermost line of ``path`` that ``error`` passed through, or 1."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return (lines or [1])[-1] or 1


def chosen(spec: Spec, module: ModuleType) -> list[type]:
    """Return the classes that ``spec`` names, or every class of the file that names a component,
    itself or through a base; a base of another one comes with that.

    Raises UsageError.
    """
    own = [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__module__ == module.__name__]
    for cls in own:
        if issubclass(cls, Component) and not hasattr(cls, "component"):
            cls.component = cls.name  # type: ignore[attr-defined]
    if spec.classes:
        names = [cls.__name__ for cls in own]
        return [_named(spec.path, name, getattr(module, name, None), names) for name in spec.classes]
    found = [cls for cls in dict.fromkeys(own) if isinstance(getattr(cls, "component", None), str)]
    if not found:
        raise UsageError(
            f"--patch {spec.path}: no class there names a component; "
            "give one an attribute component = '...', the component that it overrides"
        )
    return [cls for cls in found if not any(_is_base(cls, other) for other in found)]


def _is_base(cls: type, other: type) -> bool:
    """Return whether ``other`` brings ``cls`` along: a subclass for the same component."""
    return other is not cls and issubclass(other, cls) and component_of(other) == component_of(cls)


def component_of(cls: type) -> str:
    """Return the name of the component that a patch's class overrides."""
    return str(getattr(cls, "component", ""))


def _named(path: str, name: str, cls: object, own: list[str]) -> type:
    """Return the class, if it is one of ours and names a component. Raises UsageError."""
    if not inspect.isclass(cls):
        raise UsageError(f"--patch {path}:{name}: {path} defines no class {name}; it has {', '.join(own) or 'none'}")
    if not isinstance(getattr(cls, "component", None), str):
        raise UsageError(
            f"--patch {path}:{name}: give {name} an attribute component = '...', the component that it overrides"
        )
    return cls


def imported(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Return what ``files`` import of the user's own, directly or through each other: modules that
    lie in the folder of a file that was named, or below it.
    """
    folders = list(dict.fromkeys(Path(file.path).parent for file in files))
    waiting, found = list(files), dict[str, SourceFile]()
    known = {Path(file.path).resolve() for file in files}
    while waiting:
        file = waiting.pop(0)
        for path in sorted(set(_imports_of(file, folders))):
            if path.resolve() not in known and not _of_the_tool(path):
                known.add(path.resolve())
                found[str(path)] = read(str(path))
                waiting.append(found[str(path)])
    return list(found.values())


def _imports_of(file: SourceFile, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the files in ``folders`` that ``file`` imports."""
    names: list[str] = []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names)]
    for folder in folders:
        for name in filter(None, names):
            stem = folder.joinpath(*name.split("."))
            yield from (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())


def _of_the_tool(path: Path) -> bool:
    """Return whether a file is one of zapstress's own, of which the model's hash is kept."""
    return any(path.resolve().is_relative_to(ROOT / package) for package in ("sim", "stress", "scenarios"))

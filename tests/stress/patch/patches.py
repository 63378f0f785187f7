"""Patches for the tests: files written from a text, loaded and vetted as the command line does."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from stress.catalogue import CATALOGUE
from stress.patch.load import Patch, load
from stress.patch.vet import vetted


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    """Write a patch's file; return its path."""
    (folder / name).write_text(dedent(text))
    return str(folder / name)


def loaded(folder: Path, text: str, classes: str = "") -> Patch:
    """Return the patch that a file of that text is. Raises UsageError."""
    return vetted(load([written(folder, text) + classes]), CATALOGUE.model())


def method(signature: str, body: str, component: str = "memory", before: str = "") -> str:
    """Return the text of a patch with one method; its body may have several lines."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return f"{before}\nclass Mine:\n    component = '{component}'\n\n    {signature}:\n{lines}\n"

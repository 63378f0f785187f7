"""Loading a patch: its files, its classes, its hash, and what is wrong with a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stress.errors import UsageError
from stress.patch.load import FILE_KIB_MAX, component_of, load
from stress.patch.spec import Spec, names_a_file, options, parse
from tests.stress.patch.patches import method, written

FOUR = method("def rss_nr(self, nr)", "return 4")


def test_a_spec_is_a_file_and_some_classes() -> None:
    assert Spec("a.py") == parse("a.py")
    assert Spec("dir/a.py", ("A", "B")) == parse("dir/a.py:A,B")
    for text in ("a.txt", "a.py:", "a.py:A,", "a.py:1", "6.9"):
        with pytest.raises(UsageError, match=r"write FILE\.py, or FILE\.py:CLASS,CLASS"):
            parse(text)


def test_a_file_is_told_from_a_version() -> None:
    assert [0, 0, 1, 1] == [names_a_file(kernel) for kernel in ("6.9", "6.9-perpage", "patch.py", "a/b.py:C")]


def test_specs_are_quoted_for_a_shell() -> None:
    assert " --patch a.py:A,B --patch 'my file.py'" == options(["a.py:A,B", "my file.py"])
    assert "" == options(())


def test_a_file_gives_every_class_that_names_a_component(tmp_path: Path) -> None:
    text = FOUR + "\nclass Other(Mine):\n    component = 'swap'\n\nclass Helper:\n    pass\n"
    path = written(tmp_path, text)
    assert ["Mine", "Other"] == [cls.__name__ for cls in load([path]).classes]
    assert ["Other"] == [cls.__name__ for cls in load([f"{path}:Other"]).classes]
    assert ["Other", "Mine"] == [cls.__name__ for cls in load([f"{path}:Other", f"{path}:Mine"]).classes]


def test_a_class_may_be_a_component_of_the_models(tmp_path: Path) -> None:
    """Then it overrides that; a base comes with what is made of it."""
    text = "from sim.mm.memory import Memory\n\nclass Base(Memory):\n    pass\n\nclass Mine(Base):\n    pass\n"
    (cls,) = load([written(tmp_path, text)]).classes
    assert ("Mine", "memory") == (cls.__name__, component_of(cls))


def test_several_files_are_one_patch(tmp_path: Path) -> None:
    paths = [written(tmp_path, FOUR), written(tmp_path, FOUR, "other.py")]
    patch = load(paths)
    assert paths == [file.path for file in patch.files]
    assert ["Mine", "Mine"] == [cls.__name__ for cls in patch.classes]


def test_what_lies_beside_a_file_belongs_to_the_patch(tmp_path: Path) -> None:
    """Also what that imports; not the model, and not what nobody imports."""
    (tmp_path / "inner").mkdir()
    written(tmp_path, "from inner import numbers_", "helping_hand.py")
    written(tmp_path / "inner", "FOUR = 4\n", "numbers_.py")
    written(tmp_path, "1 / 0\n", "unused.py")
    patch = load([written(tmp_path, "import helping_hand\nfrom sim.core.bug import BUG_ON\n" + FOUR)])
    assert ["mine.py", "helping_hand.py", "numbers_.py"] == [Path(file.path).name for file in patch.files]


def test_the_hash_is_that_of_the_texts(tmp_path: Path) -> None:
    """It changes with any of the files and with the classes; not with where the files lie."""
    helper = "HELPFUL = {}\n"
    written(tmp_path, helper.format(4), "helping_hash.py")
    path = written(tmp_path, "import helping_hash\n" + FOUR + "class Too(Mine):\n    component = 'memory'\n")
    first = load([path]).digest
    written(tmp_path, helper.format(5), "helping_hash.py")
    second, third = load([path]).digest, load([f"{path}:Mine"]).digest
    (tmp_path / "elsewhere").mkdir()
    for name in ("mine.py", "helping_hash.py"):
        written(tmp_path / "elsewhere", (tmp_path / name).read_text(), name)
    moved = load([str(tmp_path / "elsewhere" / "mine.py")]).digest
    assert 16 == len(first)
    assert 3 == len({first, second, third})
    assert second == moved


@pytest.mark.parametrize(
    ("text", "spec", "what"),
    [
        ("def f(:\n", "", r"mine\.py:1: SyntaxError: invalid syntax"),
        ("x = 1\ny = x / 0\n", "", r"mine\.py:2: ZeroDivisionError: division by zero"),
        ("import no_such_thing\n", "", r"mine\.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise SystemExit(3)\n", "", r"mine\.py:1: SystemExit: 3"),
        ("class Mine:\n    pass\n", "", "no class there names a component"),
        ("class Mine:\n    pass\n", ":Mine", "give Mine an attribute component = '...'"),
        (FOUR, ":Nine", "defines no class Nine; it has Mine"),
        (FOUR, ":Mine,Mine", "Mine is named twice"),
        ("#" * (FILE_KIB_MAX << 10) + "\n", "", "larger than 256 KiB, so not a file of yours"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, spec: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        load([written(tmp_path, text) + spec])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file no\.py"):
        load(["no.py"])
    (tmp_path / "mine.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a text in UTF-8"):
        load([str(tmp_path / "mine.py")])
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zeros.py").symlink_to("/dev/zero")
    for name in ("pipe.py", "zeros.py"):
        with pytest.raises(UsageError, match=f"{name}: cannot be read .not a plain file"):
            load([str(tmp_path / name)])

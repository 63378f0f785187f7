"""Files from a stranger who means harm: traces, programs and results directories.

``hostile_results`` has those that lie in a failure's folder and in place of a proof, and is the
command that makes all of them: ``python -m tests.robustness.hostile_results DIR``. Each wants the
tool to import ``evil.py``, to write outside of the directory that it is given, to show an escape
sequence, or to take memory and time without end. What the tool does with them is asserted in
``test_hostile.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.campaign.database import DATABASE, FAILURES
from stress.campaign.directory import EXPECTED, TRACE
from stress.conform.draw import from_seed
from tests.robustness import certificates, directories, failures, traces
from tests.robustness.damage import DEEP, ESCAPE

EVIL, OWNED, OUTSIDE = "evil.py", "owned", "outside"
"""The file that must not be imported; what it makes if it is; a folder that is nobody's business.
"""

PATCH = f"{EVIL}:Evil"

PROGRAM_MIB = 50

Make = Callable[["Workshop", Path], None]
HOSTILE: dict[str, tuple[str, Make]] = {}
"""Name -> (``trace``, ``program`` or ``directory``; what makes it at a path)."""


@dataclass(frozen=True)
class Workshop:
    """Where hostile files are made: a folder with a good trace and a good directory in it."""

    folder: Path
    trace: bytes
    directory: Path
    failure: Path
    certificate: Path

    @classmethod
    def open(cls, folder: Path) -> Workshop:
        """Lay out the workshop."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OUTSIDE).mkdir()
        (folder / OUTSIDE / "precious").write_text("not yours\n")
        owned = str(folder / OWNED)
        (folder / EVIL).write_text(
            f"open({owned!r}, 'w').close()\n\n\nclass Evil:\n    component = 'counter'\n    id = 'T01'\n\n"
            "    async def increment(self, i):\n        await super().increment(i)\n"
        )
        directories.good(folder, directories.OTHER, 6)
        failure, proof = failures.good(folder), certificates.good(folder / "good-proofs")
        return cls(folder, (failure / TRACE).read_bytes(), directories.good(folder), failure, proof)

    def make(self, name: str, kind: str, make: Make) -> Path:
        """Make one hostile file; return its path."""
        path = self.folder / kind / name
        path.parent.mkdir(exist_ok=True)
        if kind == "directory":
            shutil.copytree(self.directory, path, symlinks=True)
        make(self, path)
        return path


def hostile(kind: str) -> Callable[[Make], Make]:
    """Register what makes a hostile file, under the function's name."""

    def register(make: Make) -> Make:
        HOSTILE[make.__name__] = kind, make
        return make

    return register


# -- traces ----------------------------------------------------------------------------------------------------------


def header(**more: Any) -> Make:
    """Return what makes a whole trace whose header says something else."""

    def make(workshop: Workshop, path: Path) -> None:
        found, rest = traces.split(traces.opened(workshop.trace))
        for name, value in more.items():
            part, _, field = name.partition("__")
            holder = found[part] if field else found
            holder[field or part] = value
        path.write_bytes(traces.sealed(traces.joined(found, rest), workshop.trace))

    return make


HOSTILE |= {
    name: ("trace", header(**more))
    for name, more in {
        "kernel_is_a_file": {"case__kernel": PATCH},
        "patch_is_a_file": {"case__patch": [PATCH]},
        "kernel_is_a_module": {"case__kernel": "evil"},
        "fault_is_a_path": {"case__faults": ["../evil"]},
        "scenario_is_a_path": {"case__scenario": "../evil"},
        "scenario_is_a_module": {"case__scenario": "tests.toy"},
        "scenario_escapes": {"case__scenario": ESCAPE},
        "profile_escapes": {"case__profile": ESCAPE},
        "fault_escapes": {"case__faults": [ESCAPE]},
        "parameter_escapes": {"case__params": [[ESCAPE, 1]]},
        "message_escapes": {"ending__message": ESCAPE, "ending__title": ESCAPE, "ending__checker": ESCAPE},
        "sites_escape": {"ending__accused": ESCAPE + ": x", "ending__victim": ESCAPE, "ending__reason": ESCAPE},
        "signature_escapes": {"ending__signature": ESCAPE, "digest": ESCAPE, "model_hash": ESCAPE},
        "strategy_escapes": {"strategy": ESCAPE, "sources": ESCAPE, "python": ESCAPE},
        "strategy_is_a_path": {"strategy": "../../evil"},
        "lines_are_many": {"ending__message": "zapstress: all is well\n" * 1000},
        "message_is_long": {"ending__message": "A" * 10_000_000},
        "budget_is_endless": {"steps_max": 16_000_000, "steps": 1 << 62},
    }.items()
}


def bomb(kind: str) -> Make:
    """Return what makes a small trace that asks for much."""

    def make(workshop: Workshop, path: Path) -> None:
        path.write_bytes(traces.bomb(kind, workshop.trace))

    return make


HOSTILE |= {f"bomb_{name}": ("trace", bomb(name)) for name in traces.BOMBS}


@hostile("trace")
def name_escapes(workshop: Workshop, path: Path) -> None:
    path.mkdir()
    (path / "trace").write_bytes(b"")
    (path / f"{ESCAPE.replace('/', '')}.trace").write_bytes(b"no trace")


@hostile("trace")
def trace_is_a_fifo(workshop: Workshop, path: Path) -> None:
    os.mkfifo(path)


@hostile("trace")
def trace_is_a_socket(workshop: Workshop, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(path.parent)
        made.bind(path.name)
        os.chdir(before)


@hostile("trace")
def trace_is_zeros(workshop: Workshop, path: Path) -> None:
    path.symlink_to("/dev/zero")


@hostile("trace")
def trace_is_huge(workshop: Workshop, path: Path) -> None:
    path.write_bytes(workshop.trace)
    os.truncate(path, 1 << 40)


@hostile("trace")
def trace_is_itself(workshop: Workshop, path: Path) -> None:
    path.symlink_to(path.name)


@hostile("trace")
def trace_in_a_folder_is_a_fifo(workshop: Workshop, path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "trace")


@hostile("trace")
def trace_is_somebody_elses_secret(workshop: Workshop, path: Path) -> None:
    path.symlink_to("/etc/passwd")


# -- programs --------------------------------------------------------------------------------------------------------


def program(**more: Any) -> Make:
    """Return what makes a program of which some fields say something else."""

    def make(workshop: Workshop, path: Path) -> None:
        path.write_text(json.dumps(json.loads(from_seed(1).dumps()) | more))

    return make


HOSTILE |= {
    name: ("program", program(**more))
    for name, more in {
        "operation_escapes": {"operations": [[ESCAPE, 0]]},
        "operation_is_a_method": {"operations": [["__class__", 0]]},
        "format_escapes": {"conform": ESCAPE},
        "field_escapes": {"seed": ESCAPE},
        "operations_are_many": {"operations": [["load", 0, 0]] * 60_000},
        "window_is_huge": {"pages": 1 << 40},
        "file_is_huge": {"files": [{"memfd": True, "pages": 1 << 40, "order": 0, "clean": False}]},
    }.items()
}


@hostile("program")
def program_is_a_fifo(workshop: Workshop, path: Path) -> None:
    os.mkfifo(path)


@hostile("program")
def program_is_zeros(workshop: Workshop, path: Path) -> None:
    path.symlink_to("/dev/zero")


@hostile("program")
def program_is_deep(workshop: Workshop, path: Path) -> None:
    path.write_text('{"conform": 1, "operations": ' + "[" * DEEP + "]" * DEEP + "}")


@hostile("program")
def program_is_huge(workshop: Workshop, path: Path) -> None:
    with path.open("w") as file:
        for _ in range(PROGRAM_MIB):
            file.write(" " * (1 << 20))


@hostile("program")
def number_is_long(workshop: Workshop, path: Path) -> None:
    path.write_text('{"conform": 1, "seed": ' + "9" * 1_000_000 + "}")


# -- results directories ---------------------------------------------------------------------------------------------


def sql(*statements: str) -> Make:
    """Return what changes a directory's database, whatever its constraints say."""

    def make(workshop: Workshop, path: Path) -> None:
        with closing(sqlite3.connect(path / DATABASE)) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                db.execute(statement, (ESCAPE,) if "?" in statement else ())
            db.commit()

    return make


def setting(**more: Any) -> Make:
    """Return what changes the settings that a directory remembers."""
    return sql(
        *(f"UPDATE settings SET value = '{json.dumps(value)}' WHERE name = '{name}'" for name, value in more.items())
    )


ENDLESS = "WITH RECURSIVE n(name) AS (SELECT 'a' UNION ALL SELECT name || 'a' FROM n) SELECT name, name AS value FROM n"

HOSTILE |= {
    name: ("directory", make)
    for name, make in {
        "settings_name_a_file": setting(patch=[PATCH]),
        "kernel_of_settings_is_a_file": setting(kernel=PATCH),
        "settings_name_a_path": setting(scenarios=["../evil"]),
        "settings_name_a_module": setting(scenarios=["evil"], faults=["evil.py"]),
        "settings_escape": sql("UPDATE settings SET value = json_quote(?) WHERE name = 'kernel'"),
        "settings_of_other_kinds": setting(options={"depth": {"a": []}}, seed="5", machine=None),
        "settings_without_end": setting(scenarios=["counters"] * 100_000),
        "setting_unknown": sql("INSERT INTO settings VALUES ('__class__', '1')"),
        "failure_escapes": sql("UPDATE failures SET title = ?", "UPDATE failures SET checker = ? || checker"),
        "failure_is_a_path": sql("UPDATE failures SET scenario = '../outside/precious'"),
        "signature_is_a_path": sql(
            "UPDATE failures SET signature = '../../outside' WHERE signature = (SELECT MIN(signature) FROM failures)"
        ),
        "profile_of_a_case_escapes": sql("UPDATE cases SET profile = ?"),
        "trigger": sql("CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM failures; END"),
        "view_without_end": sql("DROP TABLE settings", f"CREATE VIEW settings AS {ENDLESS}"),
        "text_is_long": sql("UPDATE cases SET params = hex(zeroblob(5000000)) WHERE id = 1"),
        "lease_is_huge": sql("UPDATE cases SET id = 9223372036854775807 WHERE id = 1"),
    }.items()
}


def instead(name: str, other: str) -> Make:
    """Return what puts a symbolic link in the place of a file of the directory."""

    def make(workshop: Workshop, path: Path) -> None:
        file = path / name
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        file.symlink_to(other)

    return make


HOSTILE |= {
    "database_is_a_link": ("directory", instead(DATABASE, f"../../{OUTSIDE}/precious")),
    "database_is_zeros": ("directory", instead(DATABASE, "/dev/zero")),
    "failures_is_a_link": ("directory", instead(FAILURES, f"../../{OUTSIDE}")),
    "lock_is_a_link": ("directory", instead("lock", f"../../{OUTSIDE}/new")),
    "journal_is_a_link": ("directory", instead(f"{DATABASE}-wal", f"../../{OUTSIDE}/new")),
}


def expected(text: str) -> Make:
    """Return what makes the list of what is expected of a text, as Latin-1."""

    def make(workshop: Workshop, path: Path) -> None:
        (path / EXPECTED).write_bytes(text.encode("latin-1"))

    return make


HOSTILE |= {
    "expected_is_a_link": ("directory", instead(EXPECTED, f"../../{OUTSIDE}/precious")),
    "expected_is_zeros": ("directory", instead(EXPECTED, "/dev/zero")),
    "expected_is_no_utf8": ("directory", expected('{"01234567": "\xe9"}')),
    "expected_is_deep": ("directory", expected("[" * DEEP)),
    "expected_escapes": ("directory", expected(json.dumps({"01234567": ESCAPE, ESCAPE: ""}))),
    "reason_escapes": ("directory", expected(json.dumps({"01234567": ESCAPE}))),
}


@hostile("directory")
def pages_are_somebody_elses_secret(workshop: Workshop, path: Path) -> None:
    for file in path.glob(f"{FAILURES}/*/report.txt"):
        file.unlink()
        file.symlink_to("/etc/passwd")


@hostile("directory")
def pages_escape(workshop: Workshop, path: Path) -> None:
    for file in path.glob(f"{FAILURES}/*/report.txt"):
        file.write_text(f"</pre><script>{ESCAPE}</script>\n" * 1000)


@hostile("directory")
def failure_is_a_link(workshop: Workshop, path: Path) -> None:
    for folder in (path / FAILURES).iterdir():
        shutil.rmtree(folder)
        folder.symlink_to(f"../../../{OUTSIDE}")


@hostile("directory")
def traces_name_a_file(workshop: Workshop, path: Path) -> None:
    for file in path.glob(f"{FAILURES}/*/trace"):
        found, rest = traces.split(traces.opened(file.read_bytes()))
        found["case"]["patch"] = [str(workshop.folder / PATCH)]
        file.write_bytes(traces.sealed(traces.joined(found, rest), file.read_bytes()))


@hostile("directory")
def traces_are_fifos(workshop: Workshop, path: Path) -> None:
    for file in path.glob(f"{FAILURES}/*/trace"):
        file.unlink()
        os.mkfifo(file)


@hostile("directory")
def database_is_a_fifo(workshop: Workshop, path: Path) -> None:
    (path / DATABASE).unlink()
    os.mkfifo(path / DATABASE)


@hostile("directory")
def folders_escape(workshop: Workshop, path: Path) -> None:
    for number, folder in enumerate(sorted((path / FAILURES).iterdir())):
        folder.rename(folder.with_name(f"{ESCAPE}{number}"))
    (path / DATABASE).write_bytes(b"")

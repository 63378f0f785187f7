"""An execution for the Perfetto viewer, read with its own package; and what steps have to do with
each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace as PerfettoTrace

from sim.core.step import RMW
from stress.case import Case
from stress.cli.main import main
from stress.trace.file import save
from stress.trace.perfetto import STEP_NS, perfetto
from stress.trace.record import Trace
from stress.trace.relations import Hold, ReadsFrom, holds, reads_from
from stress.trace.replay import replay
from tests.stress.trace.test_replay import find
from tests.stress.trace.test_report import lost_update, step
from tests.toy import TOYS


async def exported(trace: Trace) -> Any:
    """Return the Perfetto trace of an execution, parsed by the format's own package."""
    async with replay(trace, catalogue=TOYS) as replayed:
        data = perfetto(replayed)
        assert data == perfetto(replayed), "the same bytes each time"
    return PerfettoTrace.FromString(data)


def tracks(found: Any) -> dict[int, str]:
    """Return the names of the tracks, by number."""
    described = [packet.track_descriptor for packet in found.packet if packet.HasField("track_descriptor")]
    return {track.uuid: track.thread.thread_name or track.name or track.process.process_name for track in described}


def slices(found: Any) -> list[tuple[str, str, int, int]]:
    """Return (track, name, begin, end) of all slices, in steps; begin and end must pair up."""
    names, opened, done = tracks(found), dict[int, list[tuple[str, int]]](), []
    for packet in found.packet:
        if not packet.HasField("track_event"):
            continue
        event, at = packet.track_event, packet.timestamp // STEP_NS
        if event.type == event.TYPE_SLICE_BEGIN:
            opened.setdefault(event.track_uuid, []).append((event.name, at))
        elif event.type == event.TYPE_SLICE_END:
            name, began = opened[event.track_uuid].pop()
            done.append((names[event.track_uuid], name, began, at))
    assert not any(opened.values())
    return done


async def test_actors_are_tracks_and_steps_are_slices() -> None:
    found = await exported(await lost_update())
    assert {"cpu0 t0", "cpu1 t1", "counters on toy, kernel 6.9"} == set(tracks(found).values())
    assert [
        ("cpu0 t0", "toy_increment: read counter", 1, 2),
        ("cpu1 t1", "toy_increment: read counter", 2, 3),
        ("cpu1 t1", "toy_increment: write counter", 3, 4),
        ("cpu0 t0", "toy_increment: write counter", 4, 5),
    ] == slices(found)


async def test_the_end_is_marked() -> None:
    found = await exported(await lost_update())
    (bug,) = [p.track_event for p in found.packet if p.track_event.type == p.track_event.TYPE_INSTANT]
    assert "BUG: lost-update in toy_increment / toy_increment" == bug.name
    assert "counter 0 is 2 after 3 increments" == bug.debug_annotations[0].string_value


async def test_locks_are_slices_and_reads_are_flows() -> None:
    """Every flow has two ends, on tracks of two actors, and every lock that was taken a slice."""
    trace = await find(Case("counters", (("rounds", 2),), "toy"), "clean")
    found = await exported(trace)
    locks = [line for line in slices(found) if line[0].startswith("lock[")]
    assert len(locks) == sum(line[1] == "toy_lock: lock" for line in slices(found)) > 3
    ends: dict[int, list[int]] = {}
    for packet in found.packet:
        for flow in packet.track_event.flow_ids:
            ends.setdefault(flow, []).append(packet.track_event.track_uuid)
    assert ends and all(len(tracks_of) == len(set(tracks_of)) == 2 for tracks_of in ends.values())


def test_a_read_sees_the_last_write_of_another() -> None:
    """Reads of an actor's own writes, and of the first state, are none."""
    made = [
        step(1, "x", kind=1, old=0, new=1),
        step(2, "x"),
        *(step(number, "x") for number in (3, 4)),
        step(5, "y", kind=RMW, old=0, new=0),
        step(6, "y"),
    ]
    by = [0, 0, 1, 1, 0, 1]
    for one, slot in zip(made, by, strict=True):
        object.__setattr__(one, "slot", slot)
    assert [ReadsFrom(1, 3, "x[0]"), ReadsFrom(1, 4, "x[0]")] == reads_from(made)


def test_locks_that_are_not_left_are_held_to_the_end() -> None:
    made = [
        step(1, "ptl", 3, kind=RMW, old=0, new=1, label="lock ptl"),
        step(2, "ptl", 4, kind=RMW, old=7, new=7, label="trylock ptl"),
        step(3, "ptl", 3, kind=1, old=1, new=0, label="unlock ptl"),
        step(4, "sem", 0, kind=RMW, old=0, new=1, label="down_read"),
        step(5, "sem", 1, kind=RMW, old=0, new=1, label="down"),
        step(6, "x"),
    ]
    assert [Hold("ptl[3]", 0, 1, 3), Hold("sem[1]", 0, 5, 6)] == holds(made)


async def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(await find(Case("counters", (("rounds", 2),), "toy", faults=("T01",))), tmp_path / "trace")
    words = ["report", str(tmp_path / "trace"), "--format", "perfetto"]
    assert 0 == main([*words, "--output", str(tmp_path / "p")], TOYS)
    assert PerfettoTrace.FromString((tmp_path / "p").read_bytes()).packet
    assert 2 == main(words, TOYS)
    assert "name a file with --output" in capsys.readouterr().err
    assert 2 == main(["report", str(tmp_path / "trace"), "--format", "mail"], TOYS)
    assert "--format mail is not for a trace" in capsys.readouterr().err

"""An execution as a Perfetto trace: opened in the viewer at ui.perfetto.dev, or by its tools.

Each actor is a thread with a slice per step; a step lasts a microsecond, as the model knows no
time. Locks are tracks below their holder's, and arrows (flows) lead from a write to the reads of
other actors that saw it. The package ``perfetto`` writes the file: it is small, has no dependency
but protobuf, and is the format's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stress.errors import Skipped
from stress.execution.steps import Step, steps
from stress.trace.relations import Hold, ReadsFrom, holds, reads_from
from stress.trace.report import headline

if TYPE_CHECKING:
    from stress.trace.replay import Replayed

STEP_NS = 1000
"""How long a step lasts in the viewer."""

PID, SEQUENCE = 1, 1
"""The number of the process, and of the only writer of packets."""


def perfetto(replayed: Replayed) -> bytes:
    """Return the replayed execution as a Perfetto trace. Raises Skipped if its package is not
    installed.
    """
    try:
        from perfetto.trace_builder.proto_builder import TraceProtoBuilder
    except ImportError as error:
        raise Skipped(f"a Perfetto trace wants its package ({error}): pip install 'zapstress[perfetto]'") from error
    builder = TraceProtoBuilder()
    made = list(steps(replayed.outcome.finished))
    held = holds(made)
    tracks(builder, replayed, made, held)
    for at, event in sorted(events(replayed, made, held), key=lambda pair: (pair[0], pair[1]["type"] != "END")):
        packet = builder.add_packet()
        packet.timestamp = at * STEP_NS
        packet.trusted_packet_sequence_id = SEQUENCE
        fill(packet.track_event, event)
    data: bytes = builder.serialize()
    return data


def uuid(*words: object) -> int:
    """Return the number of a track: the same in every process."""
    digest = hashlib.blake2b(repr(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def actor_track(slot: int) -> int:
    """Return the number of an actor's track."""
    return uuid("actor", slot)


def tracks(builder: Any, replayed: Replayed, made: list[Step], held: list[Hold]) -> None:
    """Describe the process, a thread per actor, and a track per lock and holder."""
    packet = builder.add_packet()
    packet.trusted_packet_sequence_id = SEQUENCE
    packet.sequence_flags = packet.SEQ_INCREMENTAL_STATE_CLEARED
    case = replayed.trace.case
    packet.track_descriptor.uuid = uuid("process")
    packet.track_descriptor.process.pid = PID
    packet.track_descriptor.process.process_name = f"{case.scenario} on {case.profile}, kernel {case.kernel}"
    for slot, name in sorted({step.slot: step.actor for step in made}.items()):
        found = builder.add_packet().track_descriptor
        found.uuid, found.parent_uuid = actor_track(slot), uuid("process")
        found.thread.pid, found.thread.tid, found.thread.thread_name = PID, slot + 1, name
    for lock, slot in sorted({(hold.lock, hold.slot) for hold in held}):
        found = builder.add_packet().track_descriptor
        found.uuid, found.parent_uuid, found.name = uuid(lock, slot), actor_track(slot), lock


def events(replayed: Replayed, made: list[Step], held: list[Hold]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (step, event) for every slice's beginning and end, and for how it ended."""
    flows: dict[int, list[ReadsFrom]] = {}
    for flow in reads_from(made):
        for number in (flow.writer, flow.reader):
            flows.setdefault(number, []).append(flow)
    for step in made:
        yield step.number, begin(step, flows.get(step.number, []))
        yield step.number + 1, {"type": "END", "track": actor_track(step.slot)}
    for hold in held:
        track = uuid(hold.lock, hold.slot)
        yield hold.first, {"type": "BEGIN", "track": track, "name": hold.lock, "category": "lock"}
        yield hold.last + 1, {"type": "END", "track": track}
    if made and replayed.outcome.verdict.kind == "violation":
        notes = {"message": replayed.trace.ending.message}
        track = actor_track(made[-1].slot)
        name = headline(replayed.trace)
        yield made[-1].number, {"type": "INSTANT", "track": track, "name": name, "category": "bug", "notes": notes}


def begin(step: Step, flows: list[ReadsFrom]) -> dict[str, Any]:
    """Return the beginning of a step's slice."""
    return {
        "type": "BEGIN",
        "track": actor_track(step.slot),
        "name": step.site.name,
        "category": "step",
        "notes": {"step": step.number, "function": step.site.function, "location": step.place, "text": step.effect()},
        "flows": [uuid("flow", flow.writer, flow.reader, flow.place) for flow in flows],
    }


def fill(event: Any, plain: dict[str, Any]) -> None:
    """Fill a track event."""
    event.type = getattr(event, f"TYPE_{'SLICE_' if plain['type'] != 'INSTANT' else ''}{plain['type']}")
    event.track_uuid = plain["track"]
    if "name" in plain:
        event.name = plain["name"]
        event.categories.append(plain["category"])
    event.flow_ids.extend(plain.get("flows", ()))
    for name, value in plain.get("notes", {}).items():
        note = event.debug_annotations.add()
        note.name = name
        if isinstance(value, int):
            note.int_value = value
        else:
            note.string_value = value

"""Messages between supervisor and worker: what is sent arrives, and nothing else is taken."""

from __future__ import annotations

import io

import msgspec
import pytest

from stress.workers import messages
from stress.workers.messages import (
    LENGTH_BYTES,
    Answer,
    Batch,
    CheckAnswer,
    CheckOrder,
    Death,
    Failure,
    Message,
    MessageError,
    Order,
    ProveAnswer,
    ProveOrder,
    ReachAnswer,
    ReachOrder,
    Ready,
    ReduceAnswer,
    ReduceOrder,
    RetrialAnswer,
    RetrialOrder,
    Sites,
    Twin,
    TwinAnswer,
    TwinOrder,
    WorkerFailed,
    decode_answer,
    decode_order,
    encode,
    executed,
    read_order,
    take_answer,
)
from tests.stress.campaign_toys import CASE, LEASE

ORDERS: tuple[Order, ...] = (
    LEASE,
    TwinOrder(number=2, case=CASE, strategy="pct", options={}, seed=9, learned={"length": 80}, digest="clean 0"),
    CheckOrder(case=CASE, trace=bytes(range(256))),
    RetrialOrder(number=2, case=CASE, trace=b"trace"),
    ReduceOrder(number=2, case=CASE, trace=b"trace", seconds=1.5),
    ReachOrder(number=2, case=CASE, reach=True),
    ProveOrder(number=2, case=CASE, seconds=1.5, left_s=9.0),
)

FAILURE = Failure(
    signature="0badcafe",
    checker="I21",
    title="tlb-stale-after-free",
    strategy="pct",
    seed=3,
    count=2,
    trace=b"\0\n\xff",
    report="BUG: ...\n",
    environment={"python": "3", "case": {"faults": []}},
)

ANSWERS: tuple[Answer, ...] = (
    Ready(),
    Sites(names=["f: load"]),
    Batch(
        done=20,
        last=True,
        numbers={"steps": 400, "executing_s": 0.5},
        counts={"pairs": {"fork / munmap": 2}},
        hashes={"classes": [(1 << 63) - 1]},
        failures=[FAILURE],
        twins=[Twin(4, {"length": 80}, "clean 0")],
        deaths=[Death(4242, -9, 5)],
    ),
    TwinAnswer(digest="clean 1", trace=b"trace"),
    CheckAnswer(replays=False, why="step 3 differs", without_faults="clean"),
    RetrialAnswer(kind="violation", failure=FAILURE),
    ReduceAnswer(trace=b"trace", report="BUG: ...\n", explanation={"sentence": "", "chances": [0.5, 1.0]}),
    ReachAnswer(differs=True, violates=False, seconds=0.25, methods=["swap.folio_put"], sites=["f: load"]),
    ProveAnswer(
        kind="violated",
        words="in 3 steps",
        states=40,
        transitions=70,
        classes=4,
        seconds=0.5,
        time_was_up=False,
        file="toy.certificate",
        certificate=b"{}",
        failure=FAILURE,
    ),
    WorkerFailed(message="counters on toy: a mistake", status=3),
)


def name_of(message: Message) -> str:
    return type(message).__name__


def test_every_message_is_tested_here() -> None:
    assert set(Message.__subclasses__()) == {type(message) for message in (*ORDERS, *ANSWERS)}


@pytest.mark.parametrize("order", ORDERS, ids=name_of)
def test_an_order_arrives_as_it_was_sent(order: Order) -> None:
    pipe = io.BytesIO(encode(order) * 2)
    assert [order, order, None] == [read_order(pipe), read_order(pipe), read_order(pipe)]


@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_an_answer_arrives_as_it_was_sent_in_whatever_pieces(answer: Answer) -> None:
    buffer, found = bytearray(), []
    for byte in encode(answer) * 2:
        buffer.append(byte)
        if (taken := take_answer(buffer)) is not None:
            found.append(taken)
    assert [answer, answer] == found and not buffer


def test_a_worker_that_is_killed_while_it_is_spoken_to_takes_no_half_order() -> None:
    data = encode(LEASE)
    for length in (0, LENGTH_BYTES - 1, LENGTH_BYTES, len(data) - 1):
        assert read_order(io.BytesIO(data[:length])) is None


def test_executions_are_told_by_batches_and_second_runs() -> None:
    assert [0, 0, 20, 1, 0, 1, 0, 0, 0, 0] == [executed(answer) for answer in ANSWERS]


REALS = ("seconds", "slice_s", "left_s")
"""Fields that may be any number."""


@pytest.mark.parametrize("order", ORDERS, ids=name_of)
@pytest.mark.parametrize("wrong", [None, [1], -1.5], ids=repr)
def test_a_field_of_a_wrong_type_is_refused(order: Order, wrong: object) -> None:
    plain = msgspec.to_builtins(order, builtin_types=(bytes,))
    for name in set(plain) - {"is"}:
        with pytest.raises(
            MessageError, match=rf"an order to a worker cannot be read \(.* at `\$\.{name}(\[0\])?`\)"
        ) as caught:
            decode_order(msgspec.msgpack.encode(plain | {name: "x" if wrong == -1.5 and name in REALS else wrong}))
        assert "\n" not in str(caught.value) and 3 == caught.value.exit_status


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"is": "Batches"}, "Invalid value 'Batches'"),
        ({"is": "LeaseOrder"}, "Invalid value 'LeaseOrder'"),
        ({"done": "20"}, "Expected `int`, got `str` - at `$.done`"),
        ({"failures": [{"signature": "0"}]}, "missing required field `checker`"),
        ({"more": 1}, "unknown field `more`"),
        ({"numbers": {"step": 1}}, "no number is called step"),
    ],
)
def test_an_answer_that_is_none_is_refused(change: dict[str, object], what: str) -> None:
    plain = msgspec.to_builtins(ANSWERS[2], builtin_types=(bytes,))
    with pytest.raises(MessageError) as caught:
        decode_answer(msgspec.msgpack.encode(plain | change))
    assert what in str(caught.value) and "a worker's answer cannot be read" in str(caught.value)


def test_noise_is_refused() -> None:
    batch = msgspec.msgpack.encode(ANSWERS[2])
    no_utf8 = batch.replace(b"munmap", b"mun\xffap")
    assert no_utf8 != batch
    for data in (b"", b"\xc1", b"once upon a time", no_utf8):
        with pytest.raises(MessageError):
            messages.decode_answer(data)

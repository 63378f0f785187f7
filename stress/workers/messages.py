"""What supervisor and workers say to each other: every order and every answer is a class here.

A message is MessagePack, with its length before it (4 bytes, little-endian). This is the only place
where messages are encoded, decoded and checked: what arrives is an object whose fields have the
declared types, or a MessageError. Both sides run the same sources, so the form has no version.

An order is answered by any number of interim answers and one last one: ``LeaseOrder`` by ``Batch``
es, the last of which says so, ``TwinOrder`` by ``TwinAnswer``, ``CheckOrder`` by ``CheckAnswer``,
``RetrialOrder`` by ``RetrialAnswer``, ``ReduceOrder`` by ``ReduceAnswer``, ``ReachOrder`` by
``ReachAnswer``, ``ProveOrder`` by ``ProveAnswer``, and any of them by ``WorkerFailed``. ``Ready``
and ``Sites`` come unasked. There is no order to stop: a worker ends when its supervisor closes the
pipe.
"""

from __future__ import annotations

from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec

from stress.case import Case
from stress.errors import FAILED, ZapstressError
from stress.workers.measure.bound import Block
from stress.workers.metrics import METRICS, Counts, Distinct, Number

FOREVER_S = 1e9
"""Seconds where there is no bound on time."""

LENGTH_BYTES = 4
"""Bytes of the length that stands before a message."""


class MessageError(ZapstressError):
    """Supervisor and worker do not understand each other: a mistake of the tool."""

    exit_status = FAILED


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="is", tag=True):
    """What all messages have in common. On the wire ``is`` names the class."""


# -- orders ----------------------------------------------------------------------------------------


class LeaseOrder(Message, frozen=True):
    """Execute seeds of a case from ``first`` on, until ``count`` are done or ``slice_s`` seconds
    have passed.
    """

    lease: int
    """The store's number of the lease."""
    number: int
    """The store's number of the case."""
    case: Case
    strategy: str
    options: dict[str, int]
    """The strategy's own."""
    machine: str
    processes: int
    """Of the parallel machine."""
    first: int
    count: int
    slice_s: float
    """FOREVER_S: the lease ends by count, and never by the clock."""
    left_s: float
    """Seconds to the end of the run, which the lease may use where its case was slow to open."""
    twin_every: int
    """One execution in so many is to be run again by another worker; 0 is none."""
    stop_on_first: bool
    """End the lease at the first failure."""
    afresh: bool
    """Forget first what other cases have left: open runners, and which signatures were traced."""
    folder: str = ""
    """The folder within the results directory in which failures are kept; ``""`` is that itself."""
    evidence: bool = True
    """Send the evidence of the first failure of each signature."""
    native: bool = False
    """Use compiled kernels where they are there."""
    openings: int = 0
    """It lasts at least so many times as long as opening the case took."""
    shares: dict[str, float] = {}
    """Of the strategies that measured executions are drawn from; empty: none is measured."""


class TwinOrder(Message, frozen=True):
    """Execute again what another worker has executed."""

    number: int
    case: Case
    strategy: str
    options: dict[str, int]
    seed: int
    learned: dict[str, int]
    """What the strategy had learned before the first run."""
    digest: str
    """Of the first run."""


class CheckOrder(Message, frozen=True):
    """Replay a trace that another worker has made, with its faults and without them."""

    case: Case
    trace: bytes


class RetrialOrder(Message, frozen=True):
    """Replay an old failure's trace, tolerantly, under another code than it was made with."""

    number: int
    case: Case
    """The kernel, patch and faults to replay it under."""
    trace: bytes


class ReduceOrder(Message, frozen=True):
    """Find the smallest form of a failure, and why it comes about."""

    number: int
    """The store's number of the case."""
    case: Case
    trace: bytes
    seconds: float
    """How long to shrink it, and to explain it as long again."""


class ReachOrder(Message, frozen=True):
    """Find out what a case reaches, and whether what is put on top of its kernel changes what it
    does.
    """

    number: int
    """The store's number of the case."""
    case: Case
    reach: bool
    """What it reaches is wanted too, and not known yet."""
    plain: list[str] = []
    """What its probes do without what is put on top, if that is known."""
    sides: list[Case] = []
    """The case with each of the other patches of a comparison: what any of them changes counts."""


class ProveOrder(Message, frozen=True):
    """Search a case to its end, for so many seconds of a core, as long as there are ``left_s``."""

    number: int
    """The store's number of the case."""
    case: Case
    seconds: float
    left_s: float


Order = ProveOrder | LeaseOrder | TwinOrder | CheckOrder | RetrialOrder | ReduceOrder | ReachOrder


# -- answers ---------------------------------------------------------------------------------------


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The failing executions of one signature.

    ``trace``, ``report`` and ``environment`` are the evidence: of the first execution, and only
    where the worker has not sent the signature's evidence already; else ``trace`` is None.
    """

    signature: str
    checker: str
    title: str
    strategy: str
    seed: int
    """Of the first execution."""
    count: int = 1
    kind: str = "violation"
    """``violation``, or ``nondeterminism``."""
    trace: bytes | None = None
    report: str = ""
    environment: dict[str, Any] = {}


class Twin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An execution that another worker is to run again."""

    seed: int
    learned: dict[str, int]
    digest: str


class Death(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process of the parallel machine that died; ``exit_status`` is negative if by a signal."""

    pid: int
    exit_status: int
    seed: int


class Ready(Message, frozen=True):
    """The worker has imported the model and waits for orders."""


class Sites(Message, frozen=True):
    """Names of step sites that the kernels of this worker can visit, and that it has not told yet."""

    names: list[str]


class Batch(Message, frozen=True):
    """What a stretch of a lease has brought."""

    done: Annotated[int, msgspec.Meta(ge=0)]
    """Executions since the last answer: so many seeds more are accounted for."""
    last: bool
    """The lease is carried out."""
    numbers: dict[str, int | float] = {}
    """By metric (:mod:`stress.workers.metrics`)."""
    counts: dict[str, dict[str, int]] = {}
    """By metric, then by key."""
    hashes: dict[str, list[int]] = {}
    """By metric: those that are new in this lease."""
    failures: list[Failure] = []
    twins: list[Twin] = []
    deaths: list[Death] = []
    block: Block | None = None
    """The newest block of measured executions of the case, if there is one."""

    def __post_init__(self) -> None:
        for found, kind in ((self.numbers, Number), (self.counts, Counts), (self.hashes, Distinct)):
            wrong = sorted(name for name in found if not isinstance(METRICS.get(name), kind))
            if wrong:
                raise ValueError(f"no {kind.__name__.lower()} is called {', '.join(wrong)}")


class TwinAnswer(Message, frozen=True):
    """What came of a second run."""

    digest: str
    trace: bytes | None = None
    """Of the second run, if its digest is not the first one's."""


class CheckAnswer(Message, frozen=True):
    """What came of a check."""

    replays: bool
    """The trace gave the same signature here."""
    why: str
    """If it did not: where the two executions part."""
    without_faults: str
    """How the trace ends without the faults: a verdict's kind."""


class RetrialAnswer(Message, frozen=True):
    """What came of a retrial."""

    kind: str
    """The verdict's: ``clean``, ``violation`` or ``inconclusive``."""
    failure: Failure | None = None
    """Of a violation, with its evidence."""


class ReduceAnswer(Message, frozen=True):
    """The smallest form of a failure that was found, and why it fails; or ``why`` there is none."""

    why: str = ""
    trace: bytes = b""
    report: str = ""
    explanation: dict[str, Any] = {}


class ReachAnswer(Message, frozen=True):
    """What a case reaches (:class:`stress.execution.calls.Reach`), if that was wanted."""

    differs: bool
    """With what is put on top of its kernel it does something else."""
    violates: bool
    """And breaks a rule at once, so that it is to be leased next."""
    seconds: float
    """How long it took to find out."""
    methods: list[str] = []
    setup: list[str] = []
    sites: list[str] = []
    probes: list[str] = []


class ProveAnswer(Message, frozen=True):
    """What came of it (:class:`stress.native.proofs.result.Answer`)."""

    kind: str
    words: str
    states: int
    transitions: int
    classes: int
    seconds: float
    """Of the worker's time."""
    time_was_up: bool
    file: str = ""
    certificate: bytes = b""
    """Of a proof, and what the file is called."""
    failure: Failure | None = None
    """Of a violation, with its evidence."""


class WorkerFailed(Message, frozen=True):
    """What ended an order without a verdict: a mistake of the tool, of a scenario or of a user's
    component.
    """

    message: str
    status: int
    """The exit status that it stands for."""
    trace: bytes | None = None
    """Of the execution that the user's patch has ended."""


Answer = (
    ProveAnswer
    | Ready
    | Sites
    | Batch
    | TwinAnswer
    | CheckAnswer
    | RetrialAnswer
    | ReduceAnswer
    | ReachAnswer
    | WorkerFailed
)


def executed(answer: Answer) -> int:
    """Return how many executions an answer tells of."""
    if isinstance(answer, Batch):
        return answer.done
    return 1 if isinstance(answer, TwinAnswer | RetrialAnswer) else 0


def is_last(answer: Answer) -> bool:
    """Return whether an order is carried out with this answer."""
    if isinstance(answer, Batch):
        return answer.last
    return not isinstance(answer, Ready | Sites)


# -- on the wire -----------------------------------------------------------------------------------

Kind = TypeVar("Kind")

_encoder = msgspec.msgpack.Encoder()
_orders: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode_bare(message: Message) -> bytes:
    """Return a message without its length, where something else tells it."""
    return _encoder.encode(message)


def encode(message: Message) -> bytes:
    """Return a message as it goes over a pipe: its length and itself."""
    data = encode_bare(message)
    return len(data).to_bytes(LENGTH_BYTES, "little") + data


def decode_order(data: bytes) -> Order:
    """Return the order in ``data``, without its length. Raises MessageError."""
    return _decoded(_orders, data, "an order to a worker")


def decode_answer(data: bytes) -> Answer:
    """Return the answer in ``data``, without its length. Raises MessageError."""
    return _decoded(_answers, data, "a worker's answer")


def read_order(pipe: BinaryIO) -> Order | None:
    """Wait for the next order, blocking; return None if the pipe is closed. Raises MessageError."""
    head = pipe.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    length = int.from_bytes(head, "little")
    data = pipe.read(length)
    return decode_order(data) if len(data) == length else None


def take_answer(buffer: bytearray) -> Answer | None:
    """Take the first answer out of what has been received; return None if it is not complete yet.

    Raises MessageError.
    """
    end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "little")
    if len(buffer) < LENGTH_BYTES or len(buffer) < end:
        return None
    data = bytes(buffer[LENGTH_BYTES:end])
    del buffer[:end]
    return decode_answer(data)


def _decoded(decoder: msgspec.msgpack.Decoder[Kind], data: bytes, what: str) -> Kind:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, ValueError) as error:
        raise MessageError(f"{what} cannot be read ({error}); are the sources being changed meanwhile?") from error

"""Draws whole programs from seeds, with the project's own random words: a program is given by its
seed, and needs no test library.
"""

from __future__ import annotations

from stress.conform.linux.folio_sizes import Sizes
from stress.conform.observation import HUGE
from stress.programs.generator import draw_operation, draw_weights
from stress.programs.operation import Choose, Operation
from stress.programs.operations import OPERATIONS, Map
from stress.programs.program import Program
from stress.programs.rules import TABLE
from stress.programs.space import File, Space
from stress.rng import words

SMALL_PAGES = Sizes()
"""No large folios."""

OPERATIONS_MIN, OPERATIONS_MAX = 4, 16
"""Operations of a program: from the first to less than the second."""

PAGES = (16, 32, 64)
"""Sizes of windows."""

RACE_OPERATIONS = (
    "store", "store", "store", "load", "dontneed", "dontneed", "munmap", "fork", "truncate", "truncate", "punch",
)  # fmt: skip
"""Operations of races; one that stands here more often is drawn more often."""

RACE_PAGES, RACE_EACH_MAX = 16, 2
"""The window of a racing program, and the operations of each racer at most."""


def program(seed: int, choose: Choose, orders: tuple[int, ...], files: tuple[File, ...]) -> Program:
    """Draw a program whose anonymous memory may use ``orders``.

    With HUGE among them it makes no loads: the first read of untouched memory would map the huge
    zero page, by a PMD.
    """
    pages = draw_pages(orders, choose)
    first = (TABLE - pages // 2) % TABLE if choose(2) else 0
    space = Space(first, pages, files)
    weights = draw_weights(choose)
    if HUGE in orders:
        weights["load"] = 0
    operations: list[Operation] = []
    drawn = Map.draw(space, 0, choose) if choose(3) else Map(0, first, pages, -1, 0, 0)
    length = OPERATIONS_MIN + choose(OPERATIONS_MAX - OPERATIONS_MIN)
    while len(operations) < length and space.threads:
        if drawn is not None and drawn.allowed(space):
            operations.append(drawn)
            drawn.effect(space)
        if space.threads:
            drawn = draw_operation(space, list(space.threads)[choose(len(space.threads))], weights, choose)
    return Program(seed, first, pages, orders, files, tuple(operations))


def draw_pages(orders: tuple[int, ...], choose: Choose) -> int:
    """Return the pages of the window: one of PAGES, or now and then three of the largest folios."""
    largest = 3 << max(orders, default=0)
    return largest if largest > PAGES[-1] and choose(2) else PAGES[choose(len(PAGES))]


def from_seed(seed: int, sizes: Sizes = SMALL_PAGES) -> Program:
    """Return the program of a seed, whose memory may use ``sizes``."""
    word = words(seed, "conform")

    def choose(n: int) -> int:
        return word() * n >> 32

    shared = sizes.shmem[choose(len(sizes.shmem))] if sizes.shmem and choose(2) else 0
    files = (File(True, max(16, 1 << shared), shared), File(False, 16, (0, 2, 4)[choose(3)], not choose(3)))[
        : choose(3)
    ]
    return program(seed, choose, sizes.anon, files)


def race_from_seed(seed: int, orders: tuple[int, ...] = ()) -> Program:
    """Return the racing program of a seed: small, so that the model's search comes to an end."""
    word = words(seed, "conform race")

    def choose(n: int) -> int:
        return word() * n >> 32

    files = (File(True, 4, 0), File(False, 4, 0))[: choose(3)]
    space = Space(0, RACE_PAGES, files)
    operations = _beginning(space, choose)
    race: list[Operation] = []
    for who in range(2):
        count = 1 + choose(RACE_EACH_MAX)
        while count:
            name = RACE_OPERATIONS[choose(len(RACE_OPERATIONS))]
            drawn = OPERATIONS[name].draw(space, who, choose)
            if drawn is not None and not (name == "fork" and any(operation.name == "fork" for operation in race)):
                race.append(drawn)
                count -= 1
    return Program(seed, 0, RACE_PAGES, orders, files, tuple(operations), tuple(race))


def _beginning(space: Space, choose: Choose) -> list[Operation]:
    """Draw a beginning that leaves two threads and some memory."""
    names = [
        "mmap",
        "fill",
        "thread" if choose(2) else "fork",
        *(("store", "load", "fill", "dontneed")[choose(4)] for _ in range(choose(3))),
    ]
    operations: list[Operation] = []
    for name in names:
        drawn = None
        while drawn is None or not drawn.allowed(space):
            drawn = OPERATIONS[name].draw(space, choose(len(space.threads)), choose)
        operations.append(drawn)
        drawn.effect(space)
    return operations

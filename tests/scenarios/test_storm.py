"""Which operations a storm's threads make."""

from __future__ import annotations

from scenarios.storm import CHOICES, NOTHING, STORE, SWARMS, WORDS, Storm
from stress.catalogue import CATALOGUE

ALL = SWARMS - 1


def storm() -> Storm:
    profile = CATALOGUE.profile("x86-64")
    return Storm(profile, "small", Storm.parameters(profile, "small")[0])


def kinds(made: Storm, turn: int, off: int) -> list[int]:
    """Return the kind of the operation that each choice makes."""
    return [made.program[made.place(turn, choice, off)] for choice in range(CHOICES)]


def test_what_is_off_is_not_made() -> None:
    """But where nothing else is there to be chosen."""
    made = storm()
    for turn in range(4 * made.length):
        plain = kinds(made, turn, 0)
        assert plain == list(made.program[turn * CHOICES * WORDS : (turn + 1) * CHOICES * WORDS : WORDS])
        for off in (ALL, *(1 << kind for kind in range(NOTHING)), *(ALL ^ 1 << kind for kind in range(NOTHING))):
            on = [kind for kind in plain if not off >> kind & 1]
            found = kinds(made, turn, off)
            assert set(found) == set(on) if on else found == plain
            assert all(now == then for now, then in zip(found, plain, strict=True) if then in on)


def test_every_kind_is_a_bit() -> None:
    """But doing nothing, which is never off."""
    made = storm()
    assert STORE in made.program and max(made.program[::WORDS]) <= NOTHING == SWARMS.bit_length() - 1

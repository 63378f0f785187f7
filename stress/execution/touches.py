"""Which location each step of an execution has touched, and who has met whom there.

A step touches the location that its code names; one through a TLB touches the TLB's cell too.
Sites are told by the checksums of their names, which are the same in every process.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.core.machine import SITES
from sim.core.step import (
    LOAD_THROUGH_TLB,
    RMW,
    STORE_THROUGH_TLB,
    WRITE,
    kind_of,
    place_of,
    site_of,
    tlb_place_of,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_NAME_BITS = 32

_site_sums: list[int] = []


def site_checksums() -> list[int]:
    """Return the checksum of every site's name, by number."""
    for info in SITES[len(_site_sums) :]:
        _site_sums.append(zlib.crc32(info.name.encode()))
    return _site_sums


@dataclass(frozen=True)
class StepTouches:
    """The touches of an execution, sorted by location and then by step."""

    place: Array
    actor: Array
    site: Array
    """The checksum of the name of the step's site."""
    writes: Array
    reads: Array

    def conflicts(self) -> Array:
        """Return the distinct pairs of sites that met, sorted: each ``earlier << 32 | later``
        (uint64).

        Two steps of different actors meet if they touch the same location, no other step touches it
        between them, and one of the two writes.
        """
        place, actor, writes = self.place, self.actor, self.writes
        met = (place[1:] == place[:-1]) & (actor[1:] != actor[:-1]) & (writes[1:] | writes[:-1])
        return _pairs(self.site[:-1][met], self.site[1:][met])

    def reads_from(self) -> Array:
        """Return the distinct reads-from pairs of sites, sorted: each ``writer << 32 | reader``
        (uint64).

        A step reads from the one that has written last at its location; here, if another actor has
        made that. Where nobody has written, the writer is 0.
        """
        import numpy

        at = numpy.arange(len(self.place))
        latest = numpy.maximum.accumulate(numpy.where(self.writes, at, -1))
        before = numpy.concatenate(([-1], latest))[:-1]
        begins = numpy.concatenate(([True], self.place[1:] != self.place[:-1]))[: len(at)]
        written = before >= numpy.maximum.accumulate(numpy.where(begins, at, 0))
        others = self.reads & (~written | (self.actor[before] != self.actor))
        return _pairs(numpy.where(written, self.site[before], 0)[others], self.site[others])


def _pairs(first: Array, second: Array) -> Array:
    import numpy

    pairs: Array = numpy.unique(first.astype("<u8") << numpy.uint64(_NAME_BITS) | second.astype("<u8"))
    return pairs


def touches_of(codes: Array, values: Array, actors: Array) -> StepTouches:
    """Return the touches of the steps with these codes and values, made by these actors."""
    import numpy

    kind, site = kind_of(codes), numpy.array(site_checksums(), dtype="<i8")[site_of(codes)]
    writes = (kind == WRITE) | (kind == RMW) | (kind == STORE_THROUGH_TLB)
    through = through_tlb(codes)
    cells = numpy.zeros(int(through.sum()), dtype=bool)
    place = numpy.concatenate((place_of(codes), tlb_place_of(values[through])))
    order = numpy.arange(len(codes))
    by_place = numpy.lexsort((numpy.concatenate((order, order[through])), place))
    return StepTouches(
        place[by_place],
        numpy.concatenate((actors, actors[through]))[by_place],
        numpy.concatenate((site, site[through]))[by_place],
        numpy.concatenate((writes, cells))[by_place],
        numpy.concatenate((kind != WRITE, ~cells))[by_place],
    )


def through_tlb(codes: Array) -> Array:
    """Return which steps go through a TLB."""
    kind = kind_of(codes)
    through: Array = (kind == LOAD_THROUGH_TLB) | (kind == STORE_THROUGH_TLB)
    return through

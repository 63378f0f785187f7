"""The checkers, which judge single steps, and the audit, which judges the whole arena when it is
quiet (law L7).

A module holds one group of invariants (docs/invariants.md). A checker watches the columns whose
changes can break its rules, keeps counters in machine columns, and decides in O(1); only a
suspicion is looked into by a scan. No checker changes the world that it judges. A class of a module
here whose ``name`` begins with ``checks_`` is a checker: it is found, not listed.

- ``base``: how a checker objects;
- ``facade``: what the model tells the checkers, one method per event;
- ``entries``: page table entries, mapcounts, the PTL;
- ``references``: refcounts, and what a freed folio must have lost;
- ``tlb``: stale TLB entries, walks of freed tables;
- ``dirty``: dirty bits on their way, stores, exclusivity;
- ``gather``: the gathers' batches and ranges;
- ``audit``: recounts of everything when no actor is inside an operation.
"""

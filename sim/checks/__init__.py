"""The checkers that judge single steps (law L7); :mod:`sim.checks.audit` judges the whole arena
when it is quiet.

Each module holds one group of invariants (docs/invariants.md). A checker hooks the columns whose
changes can break its rule, keeps counters in machine columns, and decides in O(1); only a suspicion
is looked into by a scan. None changes the world that it checks.
"""

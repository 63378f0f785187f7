"""The workloads that are searched, one file each; the faults that can be planted are in
``scenarios.faults``.

A scenario's docstring tells the race that it is about. Files whose name begins with ``_`` are
shared by scenarios and are none themselves: ``_shapes``, how memory is laid out and filled;
``_forking``, the races with fork. CONTRIBUTING.md says how to write one.
"""

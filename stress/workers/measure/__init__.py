"""What is left of a case: classes of executions that were not seen yet.

- ``blocks``: the measured executions of a case, in blocks under a frozen mixture of strategies;
- ``bound``: what a block says of the next execution, with 95 % confidence;
- ``proving``: the worker's side of searching a case to its end;
- ``shown``: what a measured execution shows: its class, reads-from pairs, states;
- ``sampler``: the worker's side: which executions are measured.
"""

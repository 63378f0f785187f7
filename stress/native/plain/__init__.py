"""The plain mode of the native core: the same kernel, translated from the same source, as it runs
on one CPU with nobody beside it. It does the work, so that the work can be timed and counted.

A step is the access alone: a plain one where the kernel's is, an atomic instruction where the
kernel's is. There is no scheduler, no log, no checker and no ledger, and no TLB.

- ``work``: what is done: memory mapped and filled, then torn down; and the TLB that is not there;
- ``function``: the translator's last layer, in which a step is an access;
- ``arena``: the columns, each as wide as it declares;
- ``text``: a translation as one file of C, upon ``runtime.h``;
- ``kernel``: a kernel, translated, compiled and kept;
- ``run``: a world that it runs on: times and counts;
- ``lockstep``: the same work in lockstep, to be compared with.
"""

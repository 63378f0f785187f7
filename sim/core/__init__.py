"""What the model is built on: the arena, the step, and the base of every component.

- ``arena``: the shared-memory block that holds all state, its layout and its columns;
- ``step``: the code of a step: site, kind, column and index in one word;
- ``machine``: the primitives by which the model makes steps, and the sites that name them;
- ``component``: the base class of every modelled kernel file, and what a reference is;
- ``operations``: the operations that a thread can be in, and how their overlaps are counted;
- ``ledger``: which holder has which references;
- ``profile``: what an architecture is, and how large a world;
- ``version``: what a kernel version is;
- ``pte``: the bits of a page table entry;
- ``slab``: pools of slots;
- ``bug``: BUG_ON, for a user's patch;
- ``errors``: what is raised when the model is used wrongly.
"""

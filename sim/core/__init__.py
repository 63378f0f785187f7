"""What the model is built on: the arena, the step, and the base of every component.

- ``arena``: the shared-memory block that holds all state, its layout and its columns;
- ``machine``: the seam through which the model makes steps, and the sites that name them;
- ``component``: the base class of every modelled kernel file;
- ``ledger``: who holds each reference;
- ``profile``: what an architecture is, and how large a world;
- ``pte``: the bits of a page table entry;
- ``slab``: pools of slots;
- ``errors``: what is raised when the model is used wrongly.
"""

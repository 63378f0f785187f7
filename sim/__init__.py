"""sim: an executable model of the part of Linux mm/ that tears address spaces down.

Layers, each importing only those above it:

- ``arena``, ``machine``: the shared block of state, and the seam through which the model touches
  it;
- ``profile``, ``arch/``: what an architecture is;
- one module per modelled file of mm/ (``memory``, ``mmu_gather``, ``rmap``, ...), each one
  component;
- ``kernel``: composes the components; ``task``: what a thread may ask of them;
- ``ledger``, ``checks/``, ``audit``: what must hold.

Nothing here knows who decides which actor goes next, and nothing here imports ``stress`` or
``scenarios``.
"""

"""Programs of user space: what its threads can do to memory, each operation declared once, and how
such operations are drawn.

The scenario storm draws its operations here while it runs; conformance draws whole programs, and
runs them on both of their sides.
"""

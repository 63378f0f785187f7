"""Mends of what the search has found in kernels as they were released, as patches for the model:
each is clean under the search that finds the bug without it. docs/findings.md has the bugs.
"""

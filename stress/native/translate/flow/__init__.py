"""What can be said of a function's C before it runs.

- ``liveness``: which words of a frame are still read after each place where a coroutine can stand.
"""

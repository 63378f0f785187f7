"""The native core: the composed kernel, its scenarios and checkers, translated to C and compiled.

The async source stays the only source. What is translated here is what a kernel engineer reads in
sim/: the same steps, in the same order, on the same arena, tens of times faster. The native core
never judges: an execution that is not plain and clean is made again by the Python machine, which
gives verdict, words and trace. docs/native.md has the subset of Python that can be translated.

In layers, each importing only those before it: values, subset, sources, roots; unit (what is known
of a kernel); emitter, expressions, loops, calls, steps, statements, function (one function of the
model as one of C); assemble (a whole C file), build (the compiler and the cache), runner (executions);
kernels (which kernel is translated and kept how); comparison (against Python). ``runtime.h`` and
``harness.h`` are the C that the translation stands on. Only the benchmarks, the workers and the
command line import this package.
"""

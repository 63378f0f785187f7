"""The native core: translated kernels (:mod:`stress.native.translate`), compiled and run.

The async source stays the only source, and the native core never judges: an execution that is not
plain and clean is made again by the Python machine, which gives verdict, words and trace.

- ``files``: a translation as files of C, one for each source file;
- ``compilers``: the C compilers of this machine;
- ``build``: the cache of what they made;
- ``runner``: executions of a case;
- ``kernels``: which kernel is translated, and how it is kept;
- ``builder``: compiles kernels beside a campaign;
- ``comparison``: a native execution against Python's;
- ``search/``: single transitions, there and back, and all states of a case;
- ``proofs/``: what has no bad execution, and the certificates of it;
- ``plain``: the kernel alone, one thread and nobody beside it: to be timed and counted.

docs/native.md is the page for people.
"""

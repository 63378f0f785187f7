"""Programs of user space: what threads can do to memory, and how that is drawn.

- ``program``: a program, as conformance runs it on both sides;
- ``rules``: what it must keep to, so that both sides can run it;
- ``file``: how one is read, which may be a stranger's;
- ``generator``: draws one operation at a time;
- ``operation``: what an operation is; ``operations``, ``on_files``: each operation, declared once:
  for the model, the kernel, the generator, in C;
- ``sides``: what an operation can use where it runs;
- ``space``: which processes and threads a program has, and what they have mapped.

Conformance draws whole programs. The scenario storm draws its operations while it runs.
"""

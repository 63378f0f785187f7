"""An execution on disk: the only artefact of a failure (law L4).

Bottom to top; each file imports only those before it:

- :mod:`~stress.trace.record`: what a trace holds, and how one is made of an outcome;
- :mod:`~stress.trace.file`: the format: encode, decode, load, save; what is damaged is found here;
- :mod:`~stress.trace.replay`: executes a trace again, and says where it differs;
- :mod:`~stress.trace.report`: the page that shows a failure, and the list of all steps;
- :mod:`~stress.trace.relations`: which write a read has seen, and who held which lock;
- :mod:`~stress.trace.explanation`: why it failed, as data and in words;
- :mod:`~stress.trace.picture`: the interleaving as a picture;
- :mod:`~stress.trace.chart`: lines over an axis, as SVG;
- :mod:`~stress.trace.shell`: forward and back through an execution, by commands as gdb's;
- :mod:`~stress.trace.html`: pages of HTML, that of an execution among them (``templates/``);
- :mod:`~stress.trace.markdown`: an execution as Markdown;
- :mod:`~stress.trace.perfetto`: an execution for the Perfetto viewer;
- :mod:`~stress.trace.evidence`: what is kept of a failure beside its trace.
"""

"""A long search with a memory: what was found and which seeds were used is in a results directory.

database     its SQLite file: the schema; how it is locked, made, and vetted if it is a stranger's
directory    the folders of failures beside it
results      what it holds, for whoever asks
store        what a campaign writes into it
code         what code it runs, by hash and text
history      generations of its code, and how what is known has grown
errands      what it does beside its search: old failures, the unpatched kernel, comparisons
proving      which cases are searched to their end beside the sampling; the summary's table
rebuild      a database that was damaged, made anew from the failures beside it
summary      what has come of a campaign, as data and as text
report       what is made of a directory for others to read: mail, Markdown, KTAP, JUnit, SARIF
serve        the same as a page, live: a small server, and the metrics for Prometheus
cluster      a campaign on many machines: their directories joined
progress     how a campaign goes, while it goes
twins        executions that are run twice, and what it means if they differ
supervisor   hands out leases, records the answers, and ends in good order
"""

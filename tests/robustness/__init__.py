"""What the tool does with damage, strangers and kills.

``subject`` runs the command line in a measured process, which ``server`` forks; ``damage`` changes
bytes and plain data; ``traces``, ``programs``, ``directories``, ``failures``, ``certificates``,
``recipes`` and ``patches`` make good inputs and damage them; ``mutants`` is the command that does
so by the thousand; ``hostile`` and ``hostile_results`` hold files that are made on purpose;
``kills`` ends processes at random instants; ``endurance`` measures growth; ``readers``
what many readers of a campaign's page cost, and opens a thousand connections; ``settings`` runs
the README's test command with and without a terminal, with SIGINT ignored and a core busy. Each has
a small share of its work in the ordinary tests, and the whole of it in ``tox -e robustness``.
"""

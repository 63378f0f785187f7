"""stress: the tester. Machines and strategies, campaign, traces, reports and the command line.

Imports ``sim``; is imported by ``scenarios``. The one exception is :mod:`stress.catalogue`, which
finds scenarios, faults, profiles and strategies by walking their packages.
"""

"""Worker processes that execute leases. They know no campaign and no database.

From the words that both sides use to the two sides themselves:

settings         what is searched, and how seeds are numbered
distinct         how many distinct values there were, in bounded memory
clock            what a worker's time goes into
metrics          what is counted of executions, each declared once
messages         every order to a worker and every answer, encoded, decoded and checked
flight_recorder  which execution a worker had begun when it died
tally            what came of executions between two answers
open_cases       the cases that a worker keeps open, bounded by bytes
native           executions by compiled kernels, and their comparison with Python's
worker           the process: follows orders, executes, answers
signals          how a long run hears that it is to end
fleet            keeps worker processes alive and at work for a boss
measure/         how much is left of a case: classes that were not seen
plan/            which case has the next lease
causes/          what a failure comes down to: its smallest form, and what it hangs on

A boss (:class:`stress.workers.fleet.Boss`) decides what is done: ``stress.campaign`` and
``stress.selfcheck`` are the two.
"""

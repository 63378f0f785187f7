"""What is searched next: which case has the next lease, for how long, under which strategy.

From the choice that is made last to the one that is made first:

portfolio  which strategy the next lease of a case has
laps       in which order profiles have the cases
ration     how much of it is of cases whose CPUs speculate
pools      the cases that share the time, and which of them is next
reach      what cases reach, in a table that the user's cache directory keeps
aim        what the search is aimed at, and what is to be measured for that
leases     a machine's plan, and the leases that it hands out
turns      the plans of a campaign, and which of two machines a worker serves next
"""

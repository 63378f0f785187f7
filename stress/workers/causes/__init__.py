"""What a failure comes down to: its smallest form, and what it hangs on.

From the bottom to the top:

attempts   schedules of a case are tried, natively where it is compiled, and confirmed in Python
smaller    schedules and tapes that are smaller by one change: what deletion tries
few        all schedules with few switches, from none on: what the search from the small end tries
afresh     a trace, replayed in a process of its own
chances    the chance of a failure from each of its steps on
explain    the orderings without which a failure goes away
shrink     the smallest form of a failure that is found in a limited time
reduce     both of a campaign's failure, with the page
"""

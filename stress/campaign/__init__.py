"""A long search with a memory: what was found and which seeds were used is in a results directory.

directory   its files: the lock, the folder of each failure, what the disk refuses
store       its database: the schema, and all that is written to it or asked of it
summary     what has come of a campaign, as data and as text
progress    how a campaign goes, while it goes
supervisor  hands out leases, records the answers, and ends in good order
"""

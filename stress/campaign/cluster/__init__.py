"""A campaign on many machines.

merge    joins the directories of machines that never met
parcel   what a worker of a cluster must have before it executes anything
batches  what a lease has brought by and by, as one batch
host     the far side: what has orders carried out in a worker of dask's
link     the line to a scheduler of dask's
crew     the near side: workers that come, are given orders, and go

A host is in dask's process, on another machine. Between it and the supervisor's crew there are
orders and replies, and a parcel for whoever has none. Nothing but the supervisor writes the store.
"""

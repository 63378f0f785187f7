"""A campaign on many machines.

- :mod:`~stress.campaign.cluster.merge`: joins the directories of machines that never met.
"""

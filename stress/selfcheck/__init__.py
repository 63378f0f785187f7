"""Is what is wrong found? Of bugs that the checkers were written beside, and of others.

- ``faults``: every planted fault on every profile, and the clean kernel beside it;
- ``patches``: every patch with a mistake in it, searched for as its author would;
- ``check``: a first look at one patch of a user's, before a campaign.
"""

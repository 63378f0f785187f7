"""Scenarios: a user's own, read from its file, and the mistakes that there can be in any.

- ``mistakes``: turns what a scenario raises into a line that says where;
- ``staging``: what a scenario declares, looked over;
- ``file``: a user's own, read and hashed like a patch.

A mistake in a scenario is never a verdict on the kernel.
"""

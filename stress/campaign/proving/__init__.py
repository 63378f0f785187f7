"""Proofs within a campaign: small spaces are searched to their end beside the sampling.

- ``orders``: which case is tried next, and for how long;
- ``table``: what the campaign says of every scenario on every profile.
"""

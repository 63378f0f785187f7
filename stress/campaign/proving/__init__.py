"""Proofs within a campaign: small spaces are searched to their end beside the sampling.

- ``compiled``: which kernels can be searched by now;
- ``levels``: how long a case is expected to take;
- ``orders``: which case is tried next, and for how long;
- ``table``: what the campaign says of every scenario on every profile.
"""

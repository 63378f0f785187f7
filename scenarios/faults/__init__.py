"""Bugs to re-create, one short class each (CONTRIBUTING.md says how)."""

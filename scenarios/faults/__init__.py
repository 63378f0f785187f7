"""Bugs to re-create, one short class each (see docs/writing-a-fault.md)."""

"""The model against the kernel that this machine runs (docs/conformance.md)."""

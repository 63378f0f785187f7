"""scenarios: the workloads, one file each; the bugs to re-create are under ``scenarios.faults``."""

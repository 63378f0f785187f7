"""How fast: what ``zapstress bench`` measures.

- ``steps``: steps and executions in lockstep, and executions of campaigns, beside trio's hand-over;
- ``search``: executions and seconds to planted faults, per strategy;
- ``risk``: the bound on what is left of a case, beside the truth, in many short campaigns;
- ``rates``: how rates of lockstep are measured;
- ``native``: the native core, beside lockstep;
- ``parallel``: steps of the parallel machine, beside lockstep;
- ``zap``: memory torn down by the model itself, beside the running kernel.

Every measurement takes its clock as an argument, so that tests give it one of their own.
"""

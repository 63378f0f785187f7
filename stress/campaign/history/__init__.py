"""What a results directory remembers of how it has come to be.

generations  what was counted under one and the same code
growth       how many classes of executions were known when
"""

"""Bugs that can be planted in the model, one short class each (CONTRIBUTING.md says how).

A fault overrides a decision method of the component that it names. The module's docstring says what
is wrong; a method's docstring says how the method brings that about.
"""

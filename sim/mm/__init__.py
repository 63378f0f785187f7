"""The modelled files of the kernel, one module per kernel file: ``sim/mm/memory.py`` stands for
``mm/memory.c``.
"""

"""Faults, on purpose: each trial breaks something in many rounds and counts what was lost, doubled or wrong.

`make faults ARGS="NAME"` runs one in its long form, `make faults` tells their names.
"""

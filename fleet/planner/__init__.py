"""The planner: which devices run which operators of a model, in which order.

A problem (`problem.py`) is a chain of operators, devices and links. A policy (`policies/`) places
stages on devices; `objective.py` alone says what such a placement is worth. Nothing here reads a
clock, and only `instance.py` reads a file. See docs/planner.md.
"""

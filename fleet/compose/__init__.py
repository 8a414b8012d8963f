"""Compose a pipeline of stages that are given: whole models, or segments of earlier splits.

Each tensor that a stage takes is matched with one that comes to it (`matching`), and what is
between the two contracts becomes an adapter: operators written into a segment at its border
(`borders`), checked against a computation by numpy (`numerics`).
"""

"""Models as graphs, whatever their format: looked at, run for reference, balanced and cut.

A format opens a model as an `fleet.model_graph.open_model.OpenModel`; all else is done here.
"""

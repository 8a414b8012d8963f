"""Make a float TFLite model int8, weights and activations, calibrated with values from a seed.

Run by fetch.py in an environment of its own, with ai-edge-quantizer.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

SAMPLES = 8


def main(source: str, target: str) -> None:
    """Write the int8 form of the model ``source`` to ``target``."""
    interpreter = Interpreter(model_path=source)
    (name,) = interpreter.get_signature_list()
    inputs = interpreter.get_signature_runner(name).get_input_details()
    shapes = {key: detail["shape"] for key, detail in inputs.items()}
    random = np.random.default_rng(0)
    samples = [
        {key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}
        for _ in range(SAMPLES)
    ]
    made = quantizer.Quantizer(source, recipe.static_wi8_ai8())
    made.quantize(made.calibrate({name: samples})).export_model(target, overwrite=True)


main(*sys.argv[1:])

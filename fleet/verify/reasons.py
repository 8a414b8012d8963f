"""Why a runtime did not run a model, as one short line.

Runtimes say it in paragraphs: where in their own source, and what a person could have wanted to
know at the end.
"""

import re
from typing import Final

CHARACTERS: Final = 140

_NOISE: Final = (
    (re.compile(r"^runtime \S+: inference failed \((.*)\); no result was made$"), r"\1"),
    (
        re.compile(
            r"^runtime \S+: cannot open (?:.*? \((?=\[ONNX)|.*? \()(.*)\);"
            r" split the model again .*$"
        ),
        r"\1",
    ),
    (re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "), ""),
    (
        re.compile(
            r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)'"
            r" Status Message: "
        ),
        r"\1 '\2': ",
    ),
    (re.compile(r"(?:/[\w.+-]+)+:\d+ [^()]*\([^()]*\) (?:const )?"), ""),
    (re.compile(r"Load model from .*? failed: ?"), "it does not load: "),
    (re.compile(r" '': "), ": "),
    (re.compile(r" for the following indices index"), " at axis"),
    (re.compile(r" Please fix either the inputs/outputs or the model\."), ""),
)


def short(reason: str) -> str:
    """Return ``reason`` without its noise, on one line of limited length."""
    text = " ".join(reason.split())
    for pattern, instead in _NOISE:
        text = pattern.sub(instead, text)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1].rstrip() + "…"

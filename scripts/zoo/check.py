"""Split every model of the zoo: are the segments right, or is it refused by name?"""

from pathlib import Path

import split_check
from fetch import DEFAULT_FOLDER, zoo


def main() -> None:
    """Check the models that scripts/fetch-zoo brought."""
    given = split_check.options(__doc__ or "").parse_args()
    folder: Path = given.folder or DEFAULT_FOLDER
    cases = [
        split_check.Case(
            model=folder / model.file,
            dims=model.dims,
            other_dims=model.other_dims,
            may_refuse=model.may_refuse,
        )
        for model in zoo()
        if model.file.endswith((".onnx", ".tflite"))
    ]
    split_check.run(cases, given)


main()

"""Split every model that torch's exporters wrote: are the segments right?"""

import json
from pathlib import Path

import split_check


def main() -> None:
    """Check the models that scripts/export-torch-models wrote."""
    given = split_check.options(__doc__ or "").parse_args()
    folder: Path = given.folder
    cases = []
    for row in json.loads((folder / "models.json").read_text()):
        file = row.pop("file")
        cases.append(split_check.Case(model=folder / file, **row))
    split_check.run(cases, given)


main()

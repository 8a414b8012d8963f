"""Cut every TFLite model of the zoo in two at every place along its chain: equal bit by bit?

A place is narrow where one tensor crosses. Children run in this process, since there are hundreds.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fetch import DEFAULT_FOLDER, zoo

from fleet import children, survey
from fleet.formats import CutRequest
from fleet.model_plan.chain import ModelChain
from fleet.split import split
from fleet.verify import VerifyReport, VerifyRequest, verify
from tests.fixtures.in_process import InProcess
from wire.errors import CodedError

TITLES = ("model", "operators", "cuts", "narrow", "bit-equal", "XNNPACK off by", "sizes", "seconds")


def main() -> None:
    """Check the models that scripts/fetch-zoo brought."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_FOLDER)
    parser.add_argument("--only", default="", help="only models whose name contains this")
    given = parser.parse_args()
    children.subprocess = InProcess  # type: ignore[assignment]
    rows, holds = [], True
    for model in zoo():
        path = given.folder / model.file
        if path.suffix != ".tflite" or given.only not in model.file or not path.is_file():
            continue
        try:
            cells, equal = _checked(path)
        except CodedError as error:
            cells, equal = (model.file, f"refused {error.code}: {error}"), model.may_refuse
        rows.append(cells)
        holds = holds and equal
        print("  ".join(cells), file=sys.stderr)
    widths = [max(len(row[n]) for row in [TITLES, *rows] if len(row) > 2) for n in range(8)]
    for row in [TITLES, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)))
    sys.exit(not (holds and rows))


def _checked(path: Path) -> tuple[tuple[str, ...], bool]:
    """Return a line of the table for one model, and whether all its cuts are right."""
    began = time.perf_counter()
    chain = survey.chain(path, CutRequest())
    found = [_at(path, block.cut) for block in chain.blocks[:-1]]
    equal = sum(report.bit_equal for report in found)
    cells = (
        path.name,
        str(sum(len(block.operators) for block in chain.blocks)),
        str(len(found)),
        str(sum(_is_narrow(chain, place) for place in range(len(found)))),
        str(equal),
        f"{max(report.max_abs_diff for report in found):.3g}",
        str(max(len(report.cases) for report in found)),
        f"{time.perf_counter() - began:.0f}",
    )
    return cells, equal == len(found) > 0


def _is_narrow(chain: ModelChain, place: int) -> bool:
    return len(chain.blocks[place].cut) == 1


def _at(path: Path, cut: tuple[str, ...]) -> VerifyReport:
    with tempfile.TemporaryDirectory(prefix="every-cut-") as scratch:
        out = Path(scratch, "out")
        split(path, out, CutRequest(at=("+".join(cut),)))
        return verify(out, path, VerifyRequest(sizes=2))


main()

"""What the Edge TPU's compiler says, by version; its issue tracker shows texts of this shape."""

from hypothesis import given
from hypothesis import strategies as st

from fleet.edgetpu import log
from fleet.edgetpu.log import CompiledOperators, CompilerLog

PARTLY = """\
Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 1379 ms.

Input model: segment.tflite
Input size: 4.41MiB
Output model: segment_edgetpu.tflite
Output size: 5.49MiB
On-chip memory used for caching model parameters: 1.92MiB
On-chip memory remaining for caching model parameters: 1.75KiB
Off-chip memory used for streaming uncached model parameters: 3.23MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 136
Operation log: segment_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 135
Number of operations that will run on CPU: 1

Operator                       Count      Status

RESHAPE                        15         Mapped to Edge TPU
CONV_2D                        11         Mapped to Edge TPU
CONV_2D                        2          More than one subgraph is not supported
CUSTOM                         1          Operation is working on an unsupported data type
"""
WHOLLY = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 542 ms.

On-chip memory used for caching model parameters: 604.50KiB
On-chip memory remaining for caching model parameters: 511.50KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 50
Operation log: segment_edgetpu.log
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!
"""
LOG_FILE = """\
Edge TPU Compiler version 14.1.317412892
Input: segment.tflite
Output: segment_edgetpu.tflite

Operator                       Count      Status

MAX_POOL_2D                    6          Mapped to Edge TPU
RESIZE_NEAREST_NEIGHBOR        1          Operation version not supported
"""


def test_a_model_that_maps_in_part():
    """Operators are counted by where they run, and rows keep the compiler's words."""
    found = log.parse(PARTLY)

    assert (found.version, found.subgraphs) == ("15.0.340273435", 1)
    assert (found.edgetpu_operators, found.cpu_operators) == (135, 1)
    assert found.on_chip_bytes == round(1.92 * 2**20)
    assert found.on_chip_left_bytes == round(1.75 * 2**10)
    assert found.off_chip_bytes == round(3.23 * 2**20)
    assert [(row.kind, row.count, row.mapped) for row in found.operators] == [
        ("RESHAPE", 15, True),
        ("CONV_2D", 11, True),
        ("CONV_2D", 2, False),
        ("CUSTOM", 1, False),
    ]
    assert found.operators[3].status == "Operation is working on an unsupported data type"


def test_a_model_that_maps_wholly_is_not_counted_by_the_compiler():
    """Then all of its operations run on the Edge TPU."""
    found = log.parse(WHOLLY)

    assert (found.edgetpu_operators, found.cpu_operators) == (50, 0)
    assert (found.on_chip_bytes, found.off_chip_bytes) == (round(604.5 * 1024), 0)
    assert found.operators == ()


def test_a_log_file_alone_tells_the_operators():
    """Memory is said on the output only; operators are counted from their rows."""
    found = log.parse(LOG_FILE)

    assert (found.edgetpu_operators, found.cpu_operators) == (6, 1)
    assert found.on_chip_bytes is None
    assert found.operators[0] == CompiledOperators(
        kind="MAX_POOL_2D", count=6, status="Mapped to Edge TPU"
    )


def test_output_and_log_file_together_count_rows_once():
    """The same rows stand in both."""
    assert log.parse(PARTLY + LOG_FILE + PARTLY).operators[:4] == log.parse(PARTLY).operators


@given(st.text(max_size=400))
def test_any_text_is_a_log_that_says_little(text):
    """What the compiler may say some day is no reason to fail."""
    assert isinstance(log.parse(text), CompilerLog)

"""What people read of codecs."""

import io

import pytest
from rich.console import Console

from fleet.codec_effects.report import CodecReport, CodecsReport, EdgeReport, Figures
from paceline import codec_view


def figures(size, top1=None):
    """Return figures of that size."""
    return Figures(max_abs=size * 10, relative_l2=size, top1=top1)


def edge(name, codec, size, **fields):
    """Return what a codec does on an edge."""
    fields = {"raw_bytes": 4096, "bytes": 1024, "travels_raw": (), **fields}
    return EdgeReport(edge=name, codec=codec, alone=figures(size), **fields)


def shown(*codecs, made_up=False, inputs=3):
    """Return the lines."""
    out = io.StringIO()
    report = CodecsReport(
        pipeline="p", digest="d", inputs=inputs, made_up=made_up, passes=True, codecs=codecs
    )
    codec_view.show(Console(file=out, width=120), report)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_several_edges_have_a_line_each():
    """All of them together first, with the bytes of all."""
    one = CodecReport(
        codec="int8_token",
        figures=figures(0.02, top1=0.995),
        edges=(edge("entry", "int8_token", 0.01), edge("0", "int8_token", 0)),
    )
    lines = shown(one)

    assert lines[0] == "pipeline p, compared with raw edges on 3 inputs"
    assert lines[1] == "  a frame's tensors, raw: 0 → 1: 4.0 KiB, entry: 4.0 KiB"
    assert " ".join(lines[3].split()) == "int8_token all 0.02 0.2 99.5 % 2.0 KiB 25 %"
    assert lines[4].split()[:3] == ["entry", "0.01", "0.1"]
    assert lines[5].split()[:4] == ["0", "→", "1", "unchanged"]


@pytest.mark.parametrize("top1", [None, 1.0])
def test_agreement_has_a_column_where_there_is_any(top1):
    """Outputs without scores have none."""
    one = CodecReport(codec="fp16", figures=figures(0.1, top1), edges=(edge("0", "fp16", 0.1),))

    assert ("top-1" in shown(one)[2]) == (top1 is not None)


def test_a_bound_that_is_kept_is_said():
    """Whoever set one need not compare the figures."""
    one = CodecReport(
        codec="fp16",
        figures=figures(0.001),
        edges=(edge("0", "fp16", 0.001),),
        kept=("relative L2 0.001 (at most 0.01)",),
    )

    assert shown(one)[-1] == "  within the bounds: fp16: relative L2 0.001 (at most 0.01)"


def test_what_is_to_be_known_stands_below():
    """Tensors that travel raw, inputs that were made up, and what is refused."""
    one = CodecReport(
        codec="fp16",
        figures=figures(0.1),
        edges=(edge("0", "fp16", 0.1, travels_raw=("mask",)),),
        broken=("relative L2 0.1 (at most 0.01)",),
    )
    text = "\n".join(shown(one, made_up=True, inputs=1))

    assert "on 1 input that we made up" in text
    assert "note: mask of edge 0 travels raw with fp16" in text
    assert "weak evidence" in text
    assert "refused: fp16: relative L2 0.1 (at most 0.01)" in text

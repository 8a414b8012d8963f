"""How people write which codec an edge uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import edge_codecs
from fleet.errors import CodecChoiceError
from wire import codec_names
from wire.errors import UnknownPluginError


@pytest.mark.parametrize(
    ("text", "codecs"),
    [
        ("raw", ("raw", "raw", "raw")),
        ("fp16", ("raw", "fp16", "fp16")),
        ("entry=fp16", ("fp16", "raw", "raw")),
        ("entry=fp16,0=int8_channel,1=raw", ("fp16", "int8_channel", "raw")),
        ("fp16+zstd,1=raw", ("raw", "fp16+zstd", "raw")),
        (" 1 = int8_token , fp16 ", ("raw", "fp16", "int8_token")),
    ],
)
def test_what_is_written_is_understood(text, codecs):
    """A name alone is for all edges between stages; an edge of its own wins over that."""
    assert edge_codecs.parsed(text, 3) == codecs


@pytest.mark.parametrize(
    ("text", "stages", "said"),
    [
        ("2=fp16", 3, r"no edge '2' \(known: entry, 0, 1\)"),
        ("exit=fp16", 3, "no edge 'exit'"),
        ("0=fp16", 1, r"no edge '0' \(known: entry\)"),
        ("fp16,raw", 3, "all edges have two codecs"),
        ("0=fp16,0=raw", 3, "edge 0 has two codecs"),
    ],
)
def test_edges_that_are_not_there_are_refused(text, stages, said):
    """The sentence tells those that are, and how to write it."""
    with pytest.raises(CodecChoiceError, match=f"--codec .*{said}.*entry=fp16"):
        edge_codecs.parsed(text, stages)


@pytest.mark.parametrize("text", ["", "fp61", "0=", "0=fp16,", "fp16+gzip"])
def test_codecs_that_are_not_there_are_refused(text):
    """With the nearest name where there is one."""
    with pytest.raises(UnknownPluginError, match="known: fp16"):
        edge_codecs.parsed(text, 3)


@given(st.lists(st.sampled_from(codec_names.names()), min_size=1, max_size=5))
def test_a_choice_is_written_as_it_is_read(codecs):
    """What a report names can be given to a deploy."""
    assert list(edge_codecs.parsed(edge_codecs.text(codecs), len(codecs))) == codecs

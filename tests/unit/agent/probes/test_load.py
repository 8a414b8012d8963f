from agent.probes import Reading
from agent.probes.load import LoadProbe


def test_three_spans_are_told_apart_by_a_label():
    """One name, three series."""
    assert list(LoadProbe(lambda: (1.5, 1.0, 0.5)).read()) == [
        Reading("load_average_tasks", 1.5, (("minutes", "1"),)),
        Reading("load_average_tasks", 1.0, (("minutes", "5"),)),
        Reading("load_average_tasks", 0.5, (("minutes", "15"),)),
    ]


def test_system_without_averages_is_silence():
    """Some containers hide them."""

    def hidden():
        raise OSError

    assert list(LoadProbe(hidden).read()) == []

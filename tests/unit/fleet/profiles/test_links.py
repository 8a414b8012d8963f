"""Links' profiles that are kept."""

from fleet.profiles import kept, links
from fleet.profiles.links import LinkQuestion
from tests.unit.fleet.profiles.link_records import link


def keep(folder, *profiles):
    """Keep profiles as measuring does."""
    for one in profiles:
        assert kept.write(folder, links._name(one.question), one)


def test_what_was_measured_is_recalled(tmp_path):
    """For the same question alone."""
    made = link()
    keep(tmp_path, made)
    other = LinkQuestion(
        site="paceline/default", source="d2", target="d1", link="tcp", sizes=made.question.sizes
    )

    assert links.recall(tmp_path, made.question) == made
    assert links.recall(tmp_path, other) is None


def test_all_links_of_a_site(tmp_path):
    """Of one way, what was measured last, whatever sizes it was measured with."""
    keep(
        tmp_path,
        link(at=1, sizes=(1000,)),
        newest := link(at=2),
        back := link("d2", "d1"),
    )
    (tmp_path / "links-damaged.json").write_text("{")

    assert links.of_site(tmp_path, "paceline/default") == (newest, back)
    assert links.of_site(tmp_path, "paceline/other") == ()


def test_what_a_planner_takes_of_it():
    """Latency is half a round trip, jitter its spread, the rate that of the size that goes best."""
    made = link(rate=5e7)

    assert made.latency_seconds == 0.0005
    assert round(made.jitter_seconds, 9) == 0.0005
    assert made.bytes_per_second == 5e7

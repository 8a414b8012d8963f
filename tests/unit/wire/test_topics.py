"""Every topic is built and parsed by one table, and hostile names pass neither way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import ids, topics
from wire.errors import BadIdError, BadTopicError, CodedError
from wire.topics import MAX_GENERATION, MAX_STAGE, TOPICS, Lane, Parsed, Site

IDS = st.from_regex(ids.PATTERN, fullmatch=True).filter(ids.is_id)
LANES = st.builds(Lane, st.integers(0, MAX_GENERATION), st.integers(0, MAX_STAGE))
HOSTILE = [
    "",
    "a/b",
    "/",
    "+",
    "#",
    "a+",
    "a#",
    "$sys",
    "a\x00",
    "a\n",
    "A",
    "..",
    "é",
    "ａ",
    "a b",
    "a" * 49,
    "\ud800",
]
SITE = Site("site1", "root1")


def fields(kind):
    """The names that a topic of ``kind`` holds."""
    return [part[1:-1] for part in TOPICS[kind].pattern.split("/") if part.startswith("{")]


EVERY_FIELD = [(kind, field) for kind in TOPICS for field in fields(kind)]


@settings(deadline=None)
@given(site=IDS, root=IDS, kind=st.sampled_from(sorted(TOPICS)), data=st.data())
def test_every_topic_parses_to_what_it_was_built_from(site, root, kind, data):
    """Build and parse are inverse, for every kind and all names; at most 8 levels."""
    here = Site(site, root)
    names = {
        field: str(data.draw(LANES)) if field == "lane" else data.draw(IDS)
        for field in fields(kind)
    }
    topic = here.topic(kind, **names)

    assert here.parse(topic) == Parsed(kind, names)
    assert len(topic.split("/")) <= 8
    assert topic.startswith(f"{root}/v1/{site}/")


@settings(deadline=None)
@given(st.text() | st.text(alphabet="dpcin/+#$ab1-\x00").map(lambda text: SITE.prefix + text))
def test_what_arrives_is_parsed_or_refused(topic):
    """Any text is exactly one of our topics, spelled as we spell it, or a BadTopicError."""
    try:
        kind, names = SITE.parse(topic)
    except BadTopicError:
        return
    assert SITE.topic(kind, **names) == topic


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_name_is_refused_both_ways(kind, field, hostile):
    """A separator, wildcard, NUL or foreign letter is neither published to nor believed."""
    good = {name: "7-1" if name == "lane" else "good" for name in fields(kind)}
    arriving = SITE.prefix + TOPICS[kind].pattern.format(**good | {field: hostile})

    with pytest.raises(BadIdError):
        SITE.topic(kind, **good | {field: hostile})
    with pytest.raises(BadIdError):
        SITE.filter(kind, **{field: hostile})
    with pytest.raises(BadTopicError):
        SITE.parse(arriving)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_site_or_root_is_refused(hostile):
    """A site's own name stands in every topic."""
    with pytest.raises(CodedError):
        Site(hostile)
    with pytest.raises(CodedError):
        Site("site1", hostile)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "root1",
        "root1/v1/site1",
        "root1/v1/site1/",
        "root1/v2/site1/d/dev/status",
        "root1/v1/site2/d/dev/status",
        "root2/v1/site1/d/dev/status",
        "/root1/v1/site1/d/dev/status",
        "root1/v1/site1/d/dev/status/",
        "root1/v1/site1/d/dev/status/more",
        "root1/v1/site1//dev/status",
        "root1/v1/site1/d/dev/Status",
        "root1/v1/site1/d/dev/unknown",
        "root1/v1/site1/x/dev/status",
    ],
)
def test_topic_of_others_is_refused(topic):
    """Another site, version, depth or spelling is none of ours."""
    with pytest.raises(BadTopicError):
        SITE.parse(topic)


@pytest.mark.parametrize("kind", TOPICS)
def test_filter_takes_what_it_should(kind):
    """Unnamed parts are wildcards, named ones are not, and the filter's shape is the topic's."""
    names = {name: "7-1" if name == "lane" else "good" for name in fields(kind)}
    everything = SITE.filter(kind)

    assert SITE.filter(kind, **names) == SITE.topic(kind, **names)
    assert everything.count("+") == len(names)
    assert "#" not in everything
    assert len(everything.split("/")) == len(SITE.topic(kind, **names).split("/"))


def test_topics_are_distinct():
    """No two kinds could be taken for each other."""
    patterns = [tuple(topic.pattern.split("/")) for topic in TOPICS.values()]
    clashes = [
        (a, b)
        for i, a in enumerate(patterns)
        for b in patterns[:i]
        if len(a) == len(b)
        and all(x == y or "{" in (x[0], y[0]) for x, y in zip(a, b, strict=True))
    ]

    assert clashes == []


@given(LANES)
def test_lane_comes_back_from_its_text(lane):
    """A lane is written in one way only."""
    assert Lane.parse(str(lane)) == lane


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "7",
        "7-",
        "-1",
        "07-1",
        "7-01",
        "7-1-1",
        "7--1",
        "+7-1",
        "7_0-1",
        " 7-1",
        "7-1\n",
        "٧-1",
        "²-1",
        "4294967296-0",
        "0-65536",
        "9" * 5000 + "-0",
    ],
)
def test_text_that_is_no_lane_is_refused(text):
    """Other spellings of a number, numbers out of range and other digits are no lane."""
    assert Lane.parse(text) is None


def test_shortcuts_build_the_same_topics():
    """The named builders are the table's."""
    lane = Lane(7, 1)

    assert SITE.lane("dev", "det", lane) == "root1/v1/site1/d/dev/in/det/7-1"
    assert SITE.credit("dev", "det", lane) == "root1/v1/site1/d/dev/cr/det/7-1"
    assert SITE.device("status", "dev") == "root1/v1/site1/d/dev/status"


@pytest.mark.parametrize(("kind", "topic"), TOPICS.items())
def test_rules_of_the_planes_hold(kind, topic):
    """Retained means QoS 1, and all but frames and trials fits the strictest broker."""
    assert topic.qos in {0, 1}
    assert topic.qos == 1 or not topic.retain
    assert topic.max_bytes < 128 << 10 or kind in {"lane", "out", "doctor"}
    assert topic.writer


def test_defaults_are_those_of_the_documentation():
    """Root and site when nobody says otherwise."""
    assert Site().prefix == f"{topics.DEFAULT_ROOT}/v1/{topics.DEFAULT_SITE}/"
    assert Site().prefix == "paceline/v1/default/"

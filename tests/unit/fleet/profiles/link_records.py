"""Links' profiles for tests."""

from fleet.profiles.links import LinkProfile, LinkQuestion
from wire.link_report import LinkReport, SizeReport
from wire.profile_report import Load, Spread

SIZES = (64_000, 3_000_000)


def spread(seconds):
    """Return a spread around a median."""
    return Spread(p10=seconds * 0.75, p50=seconds, p90=seconds * 1.25, count=10)


def link(
    source="d1", target="d2", name="tcp", *, encrypted=False, busy=0.0, at=1, sizes=SIZES, rate=1e8
):
    """Return what was measured one way."""
    question = LinkQuestion(
        site="paceline/default", source=source, target=target, link=name, sizes=sizes
    )
    report = LinkReport(
        link=name,
        way="tcp:127.0.0.1:1",
        encrypted=encrypted,
        round_trip=spread(0.001),
        sizes=tuple(
            SizeReport(
                bytes=size,
                seconds=spread(0.002),
                bytes_per_second=rate,
                frames=9,
                sender_cpu_seconds=0.001,
                receiver_cpu_seconds=0.002,
            )
            for size in sizes
        ),
        load=Load(others_busy_ratio=busy, load_average=0.1),
    )
    return LinkProfile(question=question, measured_unix_ns=at, report=report)

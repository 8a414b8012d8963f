"""One hop over everything that may carry it: our links, the floors, and what others would write.

    uv run --with pyzmq --with grpcio --with aiomqtt --with 'uvicorn[standard]' \\
        python benchmarks/hops.py --markdown hops.md --svg hops.svg

Two processes, each bound to its own core, one `uint8` tensor a frame, as `paceline bench hop`
measures: from handing over until the receiver has an array, one frame in flight, each 4 ms after
the last; then as many back to back, four in flight. All take turns, in the other order each round,
so ratios are of one run. A broker (mosquitto, on both cores) is started for those that need one.
The floors are blocking sockets with `sendmsg` and `recv_into` fresh memory, and the least of an
MQTT client on top of them. *control* is the raw TCP hop with nothing else running, before and
after. The processor time of frames one by one holds what this script and sleeping cost, too, so
the ratios to the floor that are meant strictly are those back to back.

What is not installed is left out, so plain `uv run` measures our links and the floors. How to get
NNStreamer is in docs/benchmarks.md.
"""

import argparse
import importlib.util
import os
import statistics
import sys
from pathlib import Path

from benchmarks import bars, hops_nnstreamer
from paceline.bench import hop as hops
from paceline.bench.hop import HopRequest
from paceline.bench.text import cpu_text, latency_text
from paceline.formatting import size_text
from wire import link_names

CHILD = (sys.executable, str(Path(__file__).with_name("hops_child.py")))
OURS = ("mqtt", "tcp", "uds", "paho")
FLOOR, BROKERED_FLOOR = "raw tcp", "raw mqtt"
PEERS = {
    "raw tcp": None, "raw uds": None, "raw mqtt": None, "paho + pickle": "paho",
    "aiomqtt": "aiomqtt", "pyzmq": "zmq", "gRPC stream": "grpc", "HTTP (uvicorn)": "uvicorn",
    "NNStreamer edge TCP": ("edgesink", "edgesrc"), "NNStreamer MQTT": ("mqttsink", "mqttsrc"),
}  # fmt: skip
"""By name, the module that they need, or the elements of GStreamer."""
BROKERED = {"raw mqtt", "mqtt", "paho", "paho + pickle", "aiomqtt", "NNStreamer MQTT"}
FLOOR_OF = {"uds": "raw uds", "mqtt": "raw mqtt", "paho": "raw mqtt"}
TITLE = "One hop over each link"
SIZES = "65536,614400,3145728"
COLUMNS = (
    "| link | n | p50 ms (95 %) | p95 ms | / raw tcp (95 %) | CPU: sender us | receiver us"
    " | broker us | clients / floor (95 %) | frames/s | back to back: clients + broker us"
    " | clients / floor (95 %) |"
)


def present():
    """Return the names of what can be measured here, floors first."""
    peers = [name for name, needs in PEERS.items() if installed(needs)]
    ours = [name for name in OURS if name in link_names.names()]
    return [*peers[:3], *ours, *peers[3:]]


def installed(needs):
    """Tell whether a module, or GStreamer's elements, can be had; None needs nothing."""
    if isinstance(needs, tuple):
        return hops_nnstreamer.found(*needs)
    return needs is None or importlib.util.find_spec(needs) is not None


def request(links, size_bytes, frames, rounds):
    """Return what to measure."""
    cores = sorted(os.sched_getaffinity(0))
    return HopRequest(
        links=tuple(links),
        size_bytes=size_bytes,
        frames=frames,
        rounds=rounds,
        cores=(cores[0], cores[-1]),
        direct=frozenset(links) - BROKERED,
        commands={name: CHILD for name in links if name in PEERS},
    )


def control(size_bytes, frames):
    """Return the raw TCP hop's median latency with nothing else running, in milliseconds."""
    observed = hops.observe(request([FLOOR], size_bytes, frames, 1), tell)
    return 1000 * statistics.median(observed.seen[FLOOR].latencies[0])


def tell(text):
    sys.stderr.write(f"\r\033[K{text}" if sys.stderr.isatty() else "")


def rows(asked, observed):
    """Yield a table row for each link, and what is drawn of it."""
    for link in asked.links:
        seen = observed.seen[link]
        found = hops.result(asked, link, seen)
        latency, cpu, quick = (
            found.latency_seconds, found.cpu_seconds, found.cpu_seconds_back_to_back
        )  # fmt: skip
        floor = FLOOR_OF.get(link, BROKERED_FLOOR if link in BROKERED else FLOOR)
        to_tcp = hops.ratio(seen, observed.seen[FLOOR]).latency
        to_floor = hops.ratio(seen, observed.seen[floor])
        low, high = (1000 * bound for bound in latency.p50_interval)
        cells = (
            f"**{link}**" if link in OURS else link,
            asked.frames,
            f"{1000 * latency.p50:.3f} ({low:.3f}-{high:.3f})",
            f"{1000 * latency.p95:.3f}",
            interval(to_tcp),
            f"{1e6 * cpu.sender:.0f}",
            f"{1e6 * cpu.receiver:.0f}",
            "" if cpu.broker is None else f"{1e6 * cpu.broker:.0f}",
            f"{interval(to_floor.cpu)} {floor}",
            f"{found.frames_per_second:.0f}",
            f"{1e6 * (quick.sender + quick.receiver):.0f} + {1e6 * (quick.broker or 0):.0f}",
            interval(to_floor.cpu_back_to_back),
        )
        yield "| " + " | ".join(map(str, cells)) + " |", (link, latency.p50, cpu)


def interval(of):
    return f"{of.median:.2f} ({of.low:.2f}-{of.high:.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default=SIZES, help="bytes, parted by commas")
    parser.add_argument("--frames", type=int, default=400, help="of each link and size")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", help="links, parted by commas; the floors are always there")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    links = present()
    if options.only:
        wanted = {FLOOR, BROKERED_FLOOR, "raw uds", *options.only.split(",")}
        links = [link for link in links if link in wanted]
    said, panels = [], []
    for size_bytes in map(int, options.sizes.split(",")):
        before = control(size_bytes, options.frames // 4)
        asked = request(links, size_bytes, options.frames, options.rounds)
        observed = hops.observe(asked, tell)
        after = control(size_bytes, options.frames // 4)
        found = list(rows(asked, observed))
        heading = (
            f"\n{size_text(size_bytes)}, {options.rounds} rounds, load before"
            f" {observed.load_average:.1f}, {observed.broker}; control {before:.3f} ms before,"
            f" {after:.3f} ms after\n"
        )
        said += [
            heading,
            COLUMNS,
            "|---" * (COLUMNS.count("|") - 1) + "|",
            *(row for row, _ in found),
        ]
        panels.append((size_text(size_bytes), [drawn for _, drawn in found]))
        tell("")
        print("\n".join(said[-len(found) - 3 :]), flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join([bars.heading(TITLE), *said]) + "\n")
    if options.svg:
        options.svg.write_text(picture(panels))


def picture(panels):
    """Return an SVG: latency and processor time of each link, at each size."""
    latencies = [
        bars.Panel(size, [bars.Bar(link, (p50,), latency_text(p50)) for link, p50, _ in of])
        for size, of in panels
    ]
    cpus = [bars.Panel(size, [spent(link, cpu) for link, _, cpu in of]) for size, of in panels]
    return bars.document(
        "One hop, one frame in flight",
        "two processes, each bound to its core; the median of one run for each size",
        [
            ("latency, p50", (), latencies),
            ("CPU of a frame", ("sender", "receiver", "broker"), cpus),
        ],
        strong=OURS,
    )


def spent(link, cpu):
    parts = (cpu.sender, cpu.receiver, cpu.broker or 0.0)
    return bars.Bar(link, parts, cpu_text(sum(parts)))


if __name__ == "__main__":
    main()

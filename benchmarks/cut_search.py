"""How long the search for cuts takes, on graphs that are made up.

    uv run python benchmarks/cut_search.py [WORD ...]

Prints a table: for each graph (those whose name holds a WORD) its operators, the downsets that
were looked at, whether those are all there are, and CPU seconds for the space, for the choice of
five segments, and for the largest number of segments.
"""

import sys
import time
from collections.abc import Callable

from fleet.cuts import choice as cut_choice
from fleet.cuts import graph as cut_graph
from fleet.cuts import places as cut_places
from fleet.cuts.graph import CutGraph, Operator, Tensor


class Drawing:
    """A graph in the making: operators are added one by one, each writes one tensor."""

    def __init__(self) -> None:
        self.operators: list[Operator] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []

    def input(self) -> str:
        self.inputs.append(f"in{len(self.inputs)}")
        return self.inputs[-1]

    def run(self, *reads: str, times: int = 1) -> str:
        """Add an operator that reads ``reads``, and then ``times`` - 1 more in a row."""
        for _ in range(times):
            number = len(self.operators)
            self.operators.append(Operator((number,), tuple(dict.fromkeys(reads)), (f"t{number}",)))
            reads = (f"t{number}",)
        return reads[0]

    def done(self, *outputs: str) -> CutGraph:
        made = [name for operator in self.operators for name in operator.writes]
        sizes = {name: Tensor(1000 + 37 * (n % 101), True) for n, name in enumerate(made)}
        sizes |= {name: Tensor(5000, movable=True) for name in self.inputs}
        return cut_graph.cut_graph(self.operators, self.inputs, [*self.outputs, *outputs], sizes)


def chain(size: int = 10_000) -> CutGraph:
    d = Drawing()
    return d.done(d.run(d.input(), times=size))


def residual(size: int = 10_000) -> CutGraph:
    """Blocks of two branches, three and one operators long."""
    d = Drawing()
    x = d.run(d.input())
    while len(d.operators) < size:
        x = d.run(d.run(x, times=3), d.run(x))
    return d.done(x)


def inception(size: int = 10_000) -> CutGraph:
    """Blocks of four branches."""
    d = Drawing()
    x = d.run(d.input())
    while len(d.operators) < size:
        x = d.run(*(d.run(x, times=times) for times in (1, 2, 3, 2)))
    return d.done(x)


def early_and_late(size: int = 10_000) -> CutGraph:
    """A chain with an output that is ready early and an input that is prepared late."""
    d = Drawing()
    x = d.run(d.input(), times=size // 10)
    d.outputs.append(d.run(x))
    x = d.run(x, times=size // 10)
    x = d.run(d.run(d.input()), x)
    return d.done(d.run(x, times=size * 8 // 10))


def crossed(size: int = 10_000) -> CutGraph:
    """The same, but the input is needed behind the output."""
    d = Drawing()
    x = d.run(d.input(), times=size // 10)
    d.outputs.append(d.run(x))
    x = d.run(x, times=size * 8 // 10)
    x = d.run(d.run(d.input()), x)
    return d.done(d.run(x, times=size // 10))


def yolo() -> CutGraph:
    """A backbone, two ways through a pyramid, three heads of two branches each, joined."""
    d = Drawing()

    def conv(x: str) -> str:  # with x * sigmoid(x)
        made = d.run(x)
        return d.run(made, d.run(made))

    def stage(x: str, depth: int) -> str:
        parts = [d.run(conv(x))]
        for _ in range(depth):
            parts.append(d.run(parts[-1], conv(conv(parts[-1]))))
        return conv(d.run(*parts))

    x = conv(conv(d.input()))
    levels = []
    for depth in (1, 2, 2, 1):
        x = stage(conv(x), depth)
        levels.append(x)
    p5 = conv(x)
    p4 = stage(d.run(d.run(p5), levels[2]), 1)
    p3 = stage(d.run(d.run(p4), levels[1]), 1)
    n4 = stage(d.run(conv(p3), p4), 1)
    n5 = stage(d.run(conv(n4), p5), 1)
    heads = []
    for x in (p3, n4, n5):
        branches = [d.run(conv(conv(x))) for _ in range(2)]
        heads.append(d.run(d.run(*branches)))
    joined = d.run(*heads)
    return d.done(d.run(d.run(joined, times=6), d.run(joined, times=2)))


def raw_heads() -> CutGraph:
    """A pyramid whose three heads are outputs, three operators each."""
    d = Drawing()
    x = d.run(d.input(), times=200)
    for _ in range(3):
        d.outputs.append(d.run(x, times=3))
        x = d.run(x, times=12)
    return d.done(x)


def transformer(layers: int = 24) -> CutGraph:
    """Attention whose reshapes compute their shapes at run time, as exporters write it."""
    d = Drawing()
    x = d.run(d.input(), times=3)

    def reshaped(x: str) -> str:
        shape = d.run(x)
        return d.run(d.run(x), d.run(d.run(shape, times=2), d.run(shape, times=2)))

    for _ in range(layers):
        h = d.run(x, times=4)
        q, k, v = (d.run(reshaped(d.run(h, times=2))) for _ in range(3))
        attention = d.run(d.run(d.run(q, k), times=3), v)
        x = d.run(x, d.run(reshaped(attention), times=2))
        x = d.run(x, d.run(d.run(x, times=4), times=4))
    return d.done(x)


def decoder(layers: int = 24) -> CutGraph:
    """A language model's step: its caches are inputs needed late and outputs ready early."""
    d = Drawing()
    x = d.run(d.input())
    for _ in range(layers):
        h = d.run(x, times=2)
        q, k, v = d.run(h, times=3), d.run(h, times=3), d.run(h, times=2)
        k, v = d.run(k, d.input()), d.run(v, d.input())
        d.outputs += [k, v]
        x = d.run(x, d.run(d.run(d.run(q, d.run(k)), times=3), v))
        x = d.run(x, d.run(x, times=6))
    return d.done(x)


def decoder_with_side_steps(layers: int = 24) -> CutGraph:
    """The same, but each cache is converted on its way in and on its way out."""
    d = Drawing()
    x = d.run(d.input())
    for _ in range(layers):
        h = d.run(x, times=2)
        q, k, v = d.run(h, times=3), d.run(h, times=3), d.run(h, times=2)
        k, v = d.run(k, d.run(d.input())), d.run(v, d.run(d.input()))
        d.outputs += [d.run(k), d.run(v)]
        x = d.run(x, d.run(d.run(d.run(q, d.run(k)), times=3), v))
        x = d.run(x, d.run(x, times=6))
    return d.done(x)


def star(size: int = 10_000) -> CutGraph:
    d = Drawing()
    x = d.run(d.input())
    return d.done(d.run(*[d.run(x) for _ in range(size)]))


def ladder(size: int = 10_000) -> CutGraph:
    """Two rows, each a little behind the other all the way: no series point anywhere."""
    d = Drawing()
    a, b = d.run(d.input()), d.run(d.input())
    while len(d.operators) < size:
        a, b = d.run(a, b), d.run(b, a)
        a = d.run(a)
    return d.done(a, b)


GRAPHS: dict[str, Callable[[], CutGraph]] = {
    make.__name__: make
    for make in (
        chain, residual, inception, early_and_late, crossed, yolo, raw_heads, transformer, decoder,
        decoder_with_side_steps, star, ladder,
    )
}  # fmt: skip


def main(words: list[str]) -> None:
    print("graph                    operators  downsets all   space  choose largest")
    for name, make in GRAPHS.items():
        if words and not any(word in name for word in words):
            continue
        graph = make()
        costs = {index: float(1 + n % 17) for n, (index,) in enumerate(graph.ids)}
        started = time.process_time()
        space = cut_places.find(graph)
        made = time.process_time()
        cut_choice.choose(space, costs, 5)
        chosen = time.process_time()
        cut_choice.largest(space)
        measured = time.process_time()
        row = f"{name:24}{len(graph.ids):10}{space.downsets:10} {'no' if space.notes else 'yes':3}"
        print(f"{row}{made - started:8.2f}{chosen - made:8.2f}{measured - chosen:8.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])

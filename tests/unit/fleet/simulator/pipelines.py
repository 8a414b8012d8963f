"""Small pipelines to simulate."""

from fleet.simulator.pipeline import Link, Load, Pipeline, Stage, Worker
from fleet.simulator.report import report
from fleet.simulator.simulation import Simulation


def worker(device, seconds, **more):
    """Return a worker."""
    return Worker(device=device, run_seconds=seconds, **more)


def chain(*workers, links=None, sizes=None, source=None, sink=None):
    """Return a pipeline of stages; a tuple of workers is one stage's replicas.

    Args:
        workers: Of the stages.
        links: Latency, bytes a second and perhaps jitter by ``a>b``.
        sizes: What a frame carries to the first stage, behind it, ...; else 1000 bytes.
        source: Where frames come from.
        sink: Where results go.
    """
    stages = [each if isinstance(each, tuple) else (each,) for each in workers]
    sizes = sizes or [1000] * (len(stages) + 1)
    return Pipeline(
        stages=tuple(
            Stage(workers=each, out_bytes=size)
            for each, size in zip(stages, sizes[1:], strict=True)
        ),
        links={
            tuple(ends.split(">")): Link(
                latency_seconds=figures[0],
                bytes_per_second=figures[1],
                jitter_seconds=figures[2] if len(figures) > 2 else 0.0,
            )
            for ends, figures in (links or {}).items()
        },
        source=source,
        sink=sink,
        input_bytes=sizes[0],
    )


def simulated(pipeline, **load):
    """Return the report of a run."""
    load = Load(**load)
    simulation = Simulation(pipeline, load)
    simulation.run()
    return report(simulation, [kill.device for kill in load.kills])


def use(steady, *resource):
    """Return what a device, or a link, did."""
    return next(one for one in steady.resources if one.resource == resource)

"""``paceline``: the command line. Commands are imported when they are asked for, not before."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import Final, NamedTuple, NoReturn

import structlog
from cyclopts import App, CycloptsError

from paceline.options import FLAG_OPTIONS, VALUE_OPTIONS
from paceline.output import Output
from wire.allocator import share_one_heap
from wire.errors import CodedError

INTERNAL: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130


class Command(NamedTuple):
    """One command: where it is, and what `--help` says of it without importing it."""

    name: str
    target: str
    summary: str
    example: str
    more_examples: tuple[str, ...] = ()


COMMANDS: Final = (
    Command(
        "split",
        "paceline.commands.split:split",
        "Cut a model into segments.",
        "paceline split model.onnx --stages 3 --out parts",
        ("paceline split model.tflite --for edgetpu --out parts",),
    ),
    Command(
        "show",
        "paceline.commands.show:show",
        "Show where a model may be cut, or how it was cut.",
        "paceline show model.onnx --svg cuts.svg",
    ),
    Command(
        "verify",
        "paceline.commands.verify:verify",
        "Show that the segments give what the whole model gives.",
        "paceline verify parts --model model.onnx",
    ),
    Command(
        "plan",
        "paceline.commands.plan:plan",
        "Say which devices should run which operators, or that one device is better.",
        "paceline plan model.onnx --fleet fleet.yaml --goal throughput",
        ("paceline plan --instance cluster.json --goal latency --json",),
    ),
    Command(
        "advise",
        "paceline.commands.advise:advise",
        "Say what one more device would give.",
        "paceline advise model.onnx --have rpi5x2 --add 'coral|rpi5|jetson' --fleet fleet.yaml",
        ("paceline advise model.onnx --fleet fleet.yaml --add rpi5 --link 940Mbit,0.3ms --json",),
    ),
    Command(
        "profile",
        "paceline.commands.profile:profile",
        "Measure a model on devices, or on this machine: time, memory, power.",
        "paceline profile model.onnx --on pi-1,pi-2",
        ("paceline profile model.onnx --offline",),
    ),
    Command(
        "link",
        "paceline.commands.link:link",
        "Measure what is between devices: round trip, jitter, goodput, processor time.",
        "paceline link pi-1 pi-2 --link mqtt,tcp",
    ),
    Command(
        "simulate",
        "paceline.commands.simulate:simulate",
        "Say what a plan would do: frames a second, latencies, who waits for whom.",
        "paceline simulate plan.json --set link:a>b=20Mbit,8ms --set a.speed=0.5",
        (
            "paceline simulate cluster.json --rate 30 --window 4 --svg steady.svg",
            "paceline simulate plan.json --kill pi-2@10s --json",
        ),
    ),
    Command(
        "deploy",
        "paceline.commands.deploy:deploy",
        "Put the segments on devices and wait until they serve.",
        "paceline deploy parts --to pi-1,pi-2,pi-3 --name detector",
        ("paceline deploy parts --plan plan.json",),
    ),
    Command(
        "status",
        "paceline.commands.status:status",
        "Show what the devices of a pipeline do; without a name: of all that you deployed.",
        "paceline status detector",
    ),
    Command(
        "run",
        "paceline.commands.run:run",
        "Feed a pipeline with a picture, with tensors, or with all that a camera sees.",
        "paceline run detector --input photo.jpg --output answer.jpg",
        (
            "paceline run detector --source pictures --sink answers --format jpg",
            "paceline run detector --source film.mp4 --rate 10 | jq .found",
            "paceline run detector --source rtsp://camera/1 --deadline 1 --sink mqtt:gate/seen",
        ),
    ),
    Command(
        "undeploy",
        "paceline.commands.undeploy:undeploy",
        "Take a pipeline off its devices.",
        "paceline undeploy detector",
    ),
    Command(
        "restore",
        "paceline.commands.restore:restore",
        "Bring back what a broker lost: routes, and the orders that devices obey.",
        "paceline restore detector",
    ),
    Command(
        "forget",
        "paceline.commands.forget:forget",
        "Forget devices that are gone for good: broker, hubs and your list drop them.",
        "paceline forget pi-9 --dry-run",
        ("paceline forget pi-9 pi-10",),
    ),
    Command(
        "doctor",
        "paceline.commands.doctor:doctor",
        "Look for what is wrong with this machine or with a device, and say how to repair it.",
        "paceline doctor --device pi-1",
    ),
    Command(
        "top",
        "paceline.commands.top:top",
        "Watch a hub's site in the terminal.",
        "paceline top detector",
    ),
    Command(
        "demo",
        "paceline.commands.demo:demo",
        "Watch a real model run across three agents on this machine.",
        "paceline demo --seconds 10",
    ),
)
GROUPS: Final = {
    "agent": (
        "Install the agent on this device, look after it, take it off again.",
        (
            Command(
                "install",
                "paceline.commands.agent:install",
                "Install this environment's agent as a service, or upgrade it.",
                "sudo .venv/bin/paceline agent install --broker mqtt://broker.local"
                " --trust trusted.pub",
            ),
            Command(
                "uninstall",
                "paceline.commands.agent:uninstall",
                "Stop the agent and remove what install wrote.",
                "sudo paceline agent uninstall --purge",
            ),
            Command(
                "status",
                "paceline.commands.agent:status",
                "Show whether the installed agent runs, and what to do when it does not.",
                "paceline agent status",
            ),
        ),
    ),
    "bench": (
        "Measure one hop between two processes, or a deployed pipeline under load.",
        (
            Command(
                "hop",
                "paceline.commands.bench:hop",
                "Measure what one hop costs: latency, processor time, throughput.",
                "paceline bench hop --link mqtt,paho --bytes 600kB --frames 200",
            ),
            Command(
                "pipeline",
                "paceline.commands.bench:pipeline",
                "Measure a deployed pipeline with more and more frames in flight.",
                "paceline bench pipeline detector --concurrency 1:8 --svg detector.svg",
            ),
        ),
    ),
    "config": (
        "Print settings and where they come from, or what is wrong with them.",
        (
            Command(
                "show",
                "paceline.commands.config:show",
                "Print every setting, or every value of an agent's file, and where it comes from.",
                "paceline config show /etc/paceline/agent.yaml",
            ),
            Command(
                "validate",
                "paceline.commands.config:validate",
                "Print all that is wrong with the settings, or with an agent's file.",
                "paceline config validate /etc/paceline/agent.yaml",
            ),
        ),
    ),
    "fleet": (
        "Show what a fleet file says of devices and links, or what is wrong with it.",
        (
            Command(
                "show",
                "paceline.commands.fleet:show",
                "Show devices and links, and how each figure is known.",
                "paceline fleet show fleet.yaml",
            ),
            Command(
                "validate",
                "paceline.commands.fleet:validate",
                "Print all that is wrong with a fleet file.",
                "paceline fleet validate fleet.yaml",
            ),
        ),
    ),
    "hub": (
        "Hear a whole site, keep it for a while, and show it live on a page.",
        (
            Command(
                "serve",
                "paceline.commands.hub:serve",
                "Hear a whole site, keep it for a while, and show it live on a page.",
                "paceline hub serve --broker mqtt://broker.local",
            ),
        ),
    ),
    "key": (
        "Print the public half of the signing key, as agents list it in trust.keys.",
        (
            Command(
                "show",
                "paceline.commands.key:show",
                "Print the public half of the signing key, as agents list it in trust.keys.",
                "paceline key show > deployer.pub",
            ),
        ),
    ),
    "pipeline": (
        "Make a pipeline of stages that are there already.",
        (
            Command(
                "compose",
                "paceline.commands.pipeline:compose",
                "Make a pipeline of stages that are there, of one format or of several.",
                "paceline pipeline compose head.onnx middle.tflite tail.onnx --out mixed",
                ("paceline pipeline compose a.onnx parts/segments/01-tail --out b --name both",),
            ),
        ),
    ),
}
"""Groups of commands: what `--help` says of each, and the commands."""


def application() -> App:
    """Return the command line."""
    app = App(
        name="paceline",
        help="Run one neural network across several small machines, and watch it from one place.",
        help_epilogue="Begin with: `paceline demo`",
        version=version("paceline"),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        _register(app, command, command.name)
    for name, (summary, commands) in GROUPS.items():
        group = App(name=name, help=summary, help_epilogue=_examples(commands[0]))
        for command in commands:
            _register(group, command, command.name)
        app.command(group)
    return app


def _register(app: App, command: Command, name: str) -> None:
    app.command(
        command.target,
        name=name,
        help=command.summary,
        help_epilogue=_examples(command),
    )


def _examples(command: Command) -> str:
    return "\n\n".join(
        f"Example: `{example}`" for example in (command.example, *command.more_examples)
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    signal.signal(signal.SIGTERM, _interrupt)
    share_one_heap()  # some commands run for months
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    tokens = with_options_last(arguments)
    debug = "--debug" in tokens or bool(os.environ.get("PACELINE_DEBUG"))
    output = Output("--json" in tokens, sys.stdout, sys.stderr)
    _configure_logs("debug" if debug else "warning")
    app = application()
    try:
        return int(app(tokens) or 0)
    except CycloptsError as error:
        command = " ".join(("paceline", *(error.command_chain or ())))
        output.error("usage", f"{error} (see {command} --help)")
        return USAGE
    except CodedError as error:
        if debug:
            traceback.print_exc()
        output.coded_error(error, _help_hint(app, tokens, error))
        return error.exit_code
    except KeyboardInterrupt:
        output.error("interrupted", "interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 a person gets a line, not a traceback
        if debug:
            traceback.print_exc()
        text = f"{type(error).__name__}: {error}; this is a bug in paceline (--debug shows more)"
        output.error("internal", text)
        return INTERNAL


def _help_hint(app: App, tokens: Sequence[str], error: CodedError) -> str:
    """Return where the right options of the command stand, if it was given wrong ones."""
    if error.exit_code != USAGE or "--help" in str(error):
        return ""
    return f" (see {' '.join(('paceline', *app.parse_commands(tokens)[0]))} --help)"


def with_options_last(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the shared options that stand before the command behind it."""
    tokens = list(arguments)
    leading: list[str] = []
    while tokens:
        name, has_value, _ = tokens[0].partition("=")
        if name in FLAG_OPTIONS or (name in VALUE_OPTIONS and has_value):
            leading.append(tokens.pop(0))
        elif name in VALUE_OPTIONS and len(tokens) > 1:
            leading += [tokens.pop(0), tokens.pop(0)]
        else:
            break
    end = tokens.index("--") if "--" in tokens else len(tokens)
    return [*tokens[:end], *leading, *tokens[end:]]


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Let SIGTERM unwind like Ctrl-C: what was begun is put back."""
    raise KeyboardInterrupt


def _configure_logs(level: str) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    main()

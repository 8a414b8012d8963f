"""What the ONNX runtimes share: one onnxruntime session, on the provider that was asked for.

onnxruntime runs on the CPU where a provider is missing, cannot be made or takes none of the
operators, and says so in its log at best. So the provider is looked for before the session is made,
and in what the session says of itself; and the operators are counted by who runs them.

Threads never spin (spinning pools fight as soon as two sessions share cores: measured 2x slower
for three segments on one host), and the plain ``run`` is used (bound memory saves 2 us a call).
"""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from agent.errors import (
    AcceleratorLostError,
    AcceleratorMissingError,
    RuntimeFailedError,
    RuntimeOpenError,
)
from agent.runtimes import (
    Actual,
    Capability,
    OperatorTimes,
    RuntimeOptions,
    Tensors,
    _onnx_library,
    _onnx_profile,
    _onnx_proof,
)
from agent.runtimes._onnx_placement import CPU, Placement, assigned, profiled
from agent.runtimes._onnx_profile import Profile
from wire import segment_files
from wire.tensors import TensorSpec

_LOST: Final = re.compile(r"CUDA failure \d+:")
"""After one the process gets no answer from the GPU any more, or none for want of its memory."""


class OnnxRuntime:
    """One onnxruntime session; each runtime says on which provider, and with which options."""

    NAME: ClassVar[str]
    """The runtime's: its file's."""
    PROVIDER: ClassVar[str]
    """onnxruntime's name for what shall run the operators."""
    TIMED: ClassVar[bool] = False
    """Whether a profile tells what each part took: not where a run only queues work."""
    FORMATS: ClassVar[tuple[str, ...]] = ("onnx",)
    FALLBACK: ClassVar[str] = "onnx_cpu"
    any_thread: ClassVar[bool] = False

    @classmethod
    def accelerators(cls, ort: Any) -> tuple[str, ...]:
        """Return this machine's accelerators that the provider can use, the best first."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, ort: Any) -> None:
        """Do what must be done before a session is made."""

    @classmethod
    def check_inputs(cls, accelerator: str, inputs: tuple[TensorSpec, ...]) -> None:
        """Refuse what the provider cannot run well, with an ``AcceleratorMissingError``."""

    @classmethod
    def providers(
        cls, accelerator: str, segment: Path | None, options: RuntimeOptions
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the provider and its options, and whoever may take what it leaves but the CPU.

        ``segment`` is None for the proof.
        """
        raise NotImplementedError

    @classmethod
    def why_missing(cls, ort: Any) -> str:  # noqa: ARG003 for those that know better
        """Return why the provider, which this build has, cannot be used here."""
        return f"onnxruntime could not make its {cls.PROVIDER}"

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return what is here: nothing without onnxruntime, its provider, or a device for it."""
        try:
            ort = _onnx_library.imported()
        except ImportError:
            return ()
        return tuple(
            Capability(cls.NAME, accelerator, memory_bytes=None, version=ort.__version__)
            for accelerator in cls._here(ort)
        )

    @classmethod
    def prove(cls, accelerator: str = "") -> None:
        """Convolve, multiply and add small numbers, and compare; see ``Runtime``."""
        options = RuntimeOptions(accelerator=accelerator)
        runtime = cls._opened(_onnx_proof.MODEL, "its proof", None, options)
        problem = _onnx_proof.problem(runtime.run)
        runtime.close()
        if problem:
            raise RuntimeFailedError(cls.NAME, problem)

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:
        """Load a segment's folder or a model's file; see ``Runtime``.

        By path, so that ``weights.bin`` beside it can be mapped.
        """
        path = segment / segment_files.ONNX if segment.is_dir() else segment
        return cls._opened(str(path), str(segment), segment, options)

    @classmethod
    def _opened(
        cls, model: str | bytes, said: str, segment: Path | None, options: RuntimeOptions
    ) -> Self:
        ort = _onnx_library.needed(cls.NAME, said)
        accelerator = cls._chosen(ort, options.accelerator)
        cls.prepare(ort)
        providers = {**cls.providers(accelerator, segment, options), CPU: {}}
        settings = _onnx_library.session_options(ort, options)
        settings.add_session_config_entry(_onnx_library.PLACED, str(int(cls.PROVIDER != CPU)))
        looks = cls.PROVIDER != CPU and (cls.TIMED or not _onnx_library.tells_placement(ort))
        with contextlib.ExitStack() as unless_opened:
            profile = _profile(settings, options) if options.profile or looks else None
            if profile is not None:
                unless_opened.callback(profile.close)
            session = cls._started(ort, model, settings, providers, said, accelerator)
            opened = cls(session, said, accelerator, options, profile)
            unless_opened.pop_all()
            return opened

    @classmethod
    def _started(
        cls,
        ort: Any,
        model: str | bytes,
        settings: Any,
        providers: Mapping[str, Mapping[str, str]],
        said: str,
        accelerator: str,
    ) -> Any:
        try:
            # its own fallback prints to stdout and goes on with the CPU
            session = ort.InferenceSession(
                model,
                settings,
                providers=list(providers),
                provider_options=[dict(given) for given in providers.values()],
                enable_fallback=0,
            )
        except Exception as error:  # its exceptions have no other common base
            _onnx_library.check_memory(error)
            problem = _onnx_library.sentence(error)
            words = {name.removesuffix("ExecutionProvider").lower() for name in providers} - {"cpu"}
            if any(word in problem.replace(said, "").lower() for word in words):
                raise AcceleratorMissingError(cls.NAME, accelerator, problem) from error
            raise RuntimeOpenError(cls.NAME, said, problem) from error
        if cls.PROVIDER not in session.get_providers():
            raise AcceleratorMissingError(cls.NAME, accelerator, cls.why_missing(ort))
        return session

    @classmethod
    def _here(cls, ort: Any) -> tuple[str, ...]:
        return cls.accelerators(ort) if cls.PROVIDER in ort.get_available_providers() else ()

    @classmethod
    def _chosen(cls, ort: Any, asked: str) -> str:
        here = cls._here(ort)
        offered = ort.get_available_providers()
        if cls.PROVIDER not in offered:
            problem = f"this build of onnxruntime has no {cls.PROVIDER} ({', '.join(offered)})"
        elif not here:
            problem = "no device or library for it is here"
        elif asked and asked not in here:
            problem = f"it is not here ({', '.join(here)})"
        else:
            return asked or here[0]
        raise AcceleratorMissingError(cls.NAME, asked, problem)

    def __init__(
        self,
        session: Any,
        segment: str,
        accelerator: str,
        options: RuntimeOptions,
        profile: Profile | None,
    ) -> None:
        self._session = session
        self._accelerator = accelerator
        self._profile = profile
        self._profiles_all = options.profile
        self._inputs = _onnx_library.specs(session.get_inputs(), self.NAME, segment)
        self.check_inputs(accelerator, self._inputs)
        given = session.get_outputs()
        if options.tensors_only:
            given = [output for output in given if output.type in _onnx_library.DTYPES]
        self._outputs = _onnx_library.specs(given, self.NAME, segment)
        self._taken = [spec.name for spec in self._inputs]
        self._given = [spec.name for spec in self._outputs]
        self._placement = Placement() if self.PROVIDER == CPU else assigned(session)
        if self._placement.total and not self._placement.taken_by(self.PROVIDER):
            problem = f"{self.PROVIDER} takes none of the segment's operators"
            raise AcceleratorMissingError(self.NAME, accelerator, problem)

    @property
    def actual(self) -> Actual:
        """What runs the operators; what share of the time they take, from the first run on."""
        short_of = self._placement.short_of(self.PROVIDER)
        if self._placement.total and not self._placement.taken_by(self.PROVIDER):
            return Actual("cpu", short_of)
        return Actual(self._accelerator, short_of)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` takes, in the graph's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` returns, in the graph's order."""
        return self._outputs

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; see ``Runtime``."""
        if self._session is None:
            raise RuntimeFailedError(self.NAME, "the segment is closed")
        try:
            feeds = {name: inputs[name] for name in self._taken}
        except KeyError:
            missing = [name for name in self._taken if name not in inputs]
            raise RuntimeFailedError(self.NAME, f"inputs {missing} are missing") from None
        if not self._given:
            return {}  # with no names the session would return them all
        try:
            values = self._session.run(self._given, feeds)
        except Exception as error:  # its exceptions have no other common base
            _onnx_library.check_memory(error)
            problem = _onnx_library.sentence(error)
            if _LOST.search(problem):
                raise AcceleratorLostError(self.NAME, self._accelerator, problem) from error
            raise RuntimeFailedError(self.NAME, problem) from error
        if self._profile is not None and not self._profiles_all:
            self._look_at_first_run(self._profile)
        return dict(zip(self._given, values, strict=True))

    def _look_at_first_run(self, profile: Profile) -> None:
        """End the profile, and learn from it what each provider took."""
        self._profile = None
        profile.end(self._session)
        self._placement = self._placement.timed(profiled(profile.events()))
        profile.close()

    def operator_times(self) -> tuple[OperatorTimes, ...]:
        """Return how long each operator took in each run; see ``Runtime``.

        The session is closed first: there may be a million times, and memory for one of both.
        """
        if self._profile is None or self._session is None or not self._profiles_all:
            return ()
        profile, session = self._profile, self._session
        self._profile = self._session = None
        profile.end(session)
        del session
        times = _onnx_profile.operator_times(profile.events())
        profile.close()
        return times

    def close(self) -> None:
        """Give the session's memory back; closing twice is harmless."""
        self._session = None
        if self._profile is not None:
            self._profile.close()
            self._profile = None


def _profile(settings: Any, options: RuntimeOptions) -> Profile | None:
    """Return a profile; None where the disk takes none, and nobody asked for it."""
    try:
        return Profile(settings)
    except OSError:
        if options.profile:
            raise
        return None

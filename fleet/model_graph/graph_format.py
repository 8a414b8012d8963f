"""A format of models that are graphs: all but the reading and writing of its files."""

import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path

from fleet.formats import CutModel, CutRequest, FileOperator, Tell
from fleet.model_graph import chain as graph_chain
from fleet.model_graph import cutting
from fleet.model_graph import survey as graph_survey
from fleet.model_graph.open_model import OpenModel
from fleet.model_plan.chain import ModelChain
from fleet.survey import ModelSurvey, SurveyRequest
from wire.manifest import ModelRef


class GraphFormat(ABC):
    """Cuts models of one format; see ``ModelFormat``, `Surveying`, `Chaining` and `Opening`."""

    @abstractmethod
    def identify(self, model: Path) -> ModelRef:
        """Return the model's name and digest; see ``ModelFormat``."""

    @abstractmethod
    def opened(
        self, model: Path, *, fixed_sizes: bool = False
    ) -> AbstractContextManager[OpenModel]:
        """Give ``model`` open, until the block ends; see ``CutRequest`` for ``fixed_sizes``.

        Raises:
            CodedError: It cannot be read.
        """

    @abstractmethod
    def operators(self, segment: Path) -> tuple[FileOperator, ...]:
        """Return the operators of a segment's folder; see ``ModelFormat``."""

    def runnable(self, model: Path, folder: Path) -> Path:  # noqa: ARG002 others may write one
        """Return ``model`` itself; see ``ModelFormat``."""
        return model

    def cut(
        self, model: Path, request: CutRequest, folder: Path, tell: Tell = lambda _: None
    ) -> CutModel:
        """Cut ``model`` and write its segments; see ``ModelFormat``."""
        with (
            self.opened(model, fixed_sizes=request.fixed_sizes) as found,
            tempfile.TemporaryDirectory(prefix="scratch-", dir=folder.parent) as scratch,
        ):
            return cutting.cut(found, request, folder, Path(scratch), tell)

    def survey(
        self, model: Path, request: SurveyRequest, tell: Tell = lambda _: None
    ) -> ModelSurvey:
        """Return what there is to know of ``model``; see `fleet.survey.Surveying`."""
        with (
            self.opened(model) as found,
            tempfile.TemporaryDirectory(prefix="paceline-show-") as scratch,
        ):
            return graph_survey.survey(found, request, Path(scratch), tell)

    def chain(self, model: Path, request: CutRequest, tell: Tell = lambda _: None) -> ModelChain:
        """Return ``model`` as a chain of blocks; see `fleet.survey.Chaining`."""
        with (
            self.opened(model) as found,
            tempfile.TemporaryDirectory(prefix="paceline-plan-") as scratch,
        ):
            return graph_chain.chain(found, request, Path(scratch), tell)

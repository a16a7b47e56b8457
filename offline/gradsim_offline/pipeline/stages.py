"""The stages of a build up to the trained models: each a method, with what it depends on and the call that does it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradsim_offline.core import plugins
from gradsim_offline.core.dataset import Dataset
from gradsim_offline.core.run_directory import RunDirectory, StageResult, write_json
from gradsim_offline.core.settings import Settings
from gradsim_offline.core.versions import library_versions
from gradsim_offline.grouping.choose_k import choose_k_by_dev_scores, solver_to_try
from gradsim_offline.grouping.outlook import choose_by_outlook, outlooks
from gradsim_offline.grouping.result import GROUPS_FILE, Groups, read_groups
from gradsim_offline.grouping.solve import problem_of, solve
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.pipeline.encoders import longer, prepare_encoder
from gradsim_offline.pipeline.model_store import ModelStore
from gradsim_offline.similarity.measure import MeasureContext, load_measure
from gradsim_offline.similarity.measured import SIMILARITY_FILE, Measured, read_measured
from gradsim_offline.similarity.reliability import in_words, is_noise
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.task import Task
from gradsim_shared.errors import SettingsError
from gradsim_shared.manifest import LongTexts
from gradsim_shared.segmentation import RULES

_SEGMENTATION_FILE, _LONG_TEXTS_FILE = "segmentation.json", "long-texts.json"
_GROUPING = 2  # how K is chosen, and what groups.json holds: raise it with them


@dataclass(frozen=True)
class Pipeline:
    """A build: settings, data, run directory, and its stages as methods.

    Attributes:
        settings: What to build.
        dataset: The examples.
        task: The torch half of the data set's task.
        run: The run directory.
        joint: Folders of joint runs, whose model may be the multilingual one.
    """

    settings: Settings
    dataset: Dataset
    task: Task
    run: RunDirectory
    joint: tuple[str, ...] = ("measure",)

    @cached_property
    def store(self) -> ModelStore:
        """What trains."""
        return ModelStore(self.settings, self.dataset, self.task, self.run, self.joint)

    def prepare_encoder(self) -> Encoder:
        """Make ``mini``, or look that a named encoder can be found; adapt it to all training texts if that is asked."""
        return prepare_encoder(self.store)

    def save_settings(self) -> None:
        """Write the resolved settings to the run directory, and say what trains where."""
        write_json(self.run.directory / "settings.json", self.settings.model_dump(mode="json"))
        self.run.progress.note(f"model {self.settings.model}, on {self.store.device.type}; in {self.run.directory}")
        if not self.settings.linear or self.settings.adapting.mode == "tapt":
            arithmetic = self.store.arithmetic
            self.run.progress.note(f"trained in {arithmetic.precision}: {arithmetic.reason} (training.precision)")

    def segmentation(self) -> str:
        """Return the rule that splits raw text into words; it is chosen once."""
        return self._segmentation

    @cached_property
    def _segmentation(self) -> str:
        """Choose the rule that splits raw text into the words of the training data; none, where texts stay whole."""
        if not self.dataset.tagged:
            return "none"

        def choose_rule(directory: Path) -> None:
            from gradsim_offline.pipeline.segmentation import choose

            write_json(directory / _SEGMENTATION_FILE, asdict(choose(self.dataset)))

        inputs = {"data": self.dataset.fingerprint("train"), "rules": list(RULES), "versions": library_versions()}
        done = self.run.stage("segmentation", inputs, choose_rule, title="how text is split into words")
        found = json.loads((done.directory / _SEGMENTATION_FILE).read_text(encoding="utf-8"))
        agreement = found["agreement"]
        worst = min(agreement, key=agreement.__getitem__)
        self.run.progress.note(
            f"  segmentation rule {found['rule']}: cuts training texts into the data's own words with an F1 of "
            f"{100 * fmean(agreement.values()):.2f} (lowest: {worst}, {100 * agreement[worst]:.2f})"
        )
        return str(found["rule"])

    @property
    def _measure_options(self) -> Any:  # noqa: ANN401 - each measure has its own class
        return plugins.options("similarity", self.settings.measure, self.settings.similarity)

    def measuring_inputs(self, encoder: Encoder) -> dict[str, Any]:
        """Return what S depends on."""
        settings, measure, options = self.settings, load_measure(self.settings.measure), self._measure_options
        return {
            **self.store.common,
            "measure": settings.measure,
            **(
                {"measuring": measure.joint_run(settings.measuring), **self.store.precision}
                if measure.joint_run
                else {}
            ),
            "encoder": encoder.digest,
            **({"options": options.model_dump(mode="json")} if options else {}),
            **(self.store.schedule if measure.trains(options) else {}),
            **({"fingerprint": measure.fingerprint(options)} if measure.fingerprint else {}),
        }

    def measure(self, encoder: Encoder, name: str = "measure") -> Measured:
        """Measure S; ``name`` is the stage's folder."""

        def measure(directory: Path) -> None:
            context = MeasureContext(
                dataset=self.dataset,
                directory=directory,
                training=self.store.context(encoder, name),
                measuring=self.settings.measuring,
                options=self._measure_options,
                train=lambda members, served: self.train(encoder, members, served).directory,
            )
            load_measure(self.settings.measure).measure(context).save(directory / SIMILARITY_FILE)

        title = f"measure: {self.settings.measure} similarity"
        done = self.run.stage(name, self.measuring_inputs(encoder), measure, title=title)
        measured = read_measured(done.directory / SIMILARITY_FILE)
        if measured.reliability is not None:
            self.run.progress.note(f"  {in_words(measured.reliability)}")
        return measured

    def group(
        self, measured: Measured, encoder: Encoder | None = None, name: str = "group", *, alone: bool = True
    ) -> Groups:
        """Choose the groups; ``name`` is the stage's folder; only auto K, which trains, needs the encoder.

        ``alone``: auto K tries every language alone, too.
        """
        chosen, sizes, seed = self.settings.grouping, self.dataset.counts("train"), self.settings.seed
        foreseen = measured.answers is not None and chosen.solver == "exact"
        tried = "" if foreseen else solver_to_try(chosen)

        def choose(directory: Path) -> None:
            if foreseen:
                groups = self._foreseen(measured)
            elif chosen.groups != "auto":
                groups = solve(measured, chosen, chosen.groups, sizes, seed)
                if is_noise(measured.reliability) and load_solver(groups.solver).reads_s and len(groups.groups) > 1:
                    groups = replace(groups, reason=f"{in_words(measured.reliability)} The groups were asked for.")
            else:

                def train(members: Sequence[str], served: Sequence[str]) -> Path:
                    if encoder is None:
                        raise SettingsError(
                            "auto K trains the groups that it chooses from; it needs an encoder to start from"
                        )
                    return self.train(encoder, members, served).directory

                judged = all(self.dataset.split(code, "dev") for code in self.dataset.languages)
                groups = choose_k_by_dev_scores(
                    measured,
                    chosen,
                    sizes,
                    seed,
                    train if judged else None,
                    self.run.progress.note,
                    alone=alone,
                )
            groups.save(directory / GROUPS_FILE)

        evidence = self.store.training_inputs(encoder, (), ()) if tried and encoder else {}
        if tried and not alone:
            evidence["alone"] = False
        inputs = {
            **evidence,
            **({"tried": tried} if tried not in ("", chosen.solver) else {}),
            "versions": library_versions(),
            "seed": seed,
            "sizes": dict(sizes),
            "grouping": chosen.model_dump(),
            "languages": measured.languages,
            "similarity": measured.matrix.tolist(),
            "split_half": None if measured.split_half is None else measured.split_half.tolist(),
            "reliability": measured.reliability and vars(measured.reliability),
            **({"answers": measured.answers.digest} if measured.answers else {}),
            "form": _GROUPING,
        }
        done = self.run.stage(name, inputs, choose)
        groups = read_groups(done.directory / GROUPS_FILE)
        for group in groups.groups:
            helpers = [code for code in group.members if code not in group.served]
            source = f" (source-only: {' '.join(helpers)})" if helpers else ""
            self.run.progress.note(f"  {group.id}: {' '.join(group.served)}{source}")
        if groups.reason:
            self.run.progress.note(f"  {groups.reason}")
        return groups

    def _foreseen(self, measured: Measured) -> Groups:
        """Choose groups, and their number where it is auto, by what they are expected to gain; nothing is trained."""
        chosen, labels, task, answers = self.settings.grouping, self.dataset.labels, self.task, measured.answers
        assert answers is not None
        most = len(self.dataset.languages) if chosen.groups == "auto" else chosen.groups
        wanted = chosen.candidates if chosen.groups == "auto" else None
        problem = problem_of(measured, chosen, most, self.dataset.counts("train"), self.settings.seed, chosen.solver)

        def count(gold: NDArray[np.int64], answered: NDArray[np.int64]) -> NDArray[np.int64]:
            return task.statistics([labels[i] for i in gold], [labels[i] for i in answered], labels)

        found = outlooks(problem, answers, count, lambda sums: task.metric_from(sums, labels), wanted)
        return choose_by_outlook(problem, chosen, found, self.run.progress.note)

    def train(self, encoder: Encoder, members: Sequence[str], served: Sequence[str], title: str = "") -> StageResult:
        """Train the model of these members, judged on the languages that it serves."""
        return self.store.train(encoder, members, served, title)

    def train_multilingual(self, encoder: Encoder) -> StageResult:
        """Train one model on all languages."""
        everything = self.dataset.languages
        return self.train(encoder, everything, everything, "train multilingual")

    def long_texts(self, multilingual: StageResult) -> LongTexts:
        """Return how texts that are too long for a model are read in service: as set, or as dev says."""
        asked = self.settings.long_texts
        if self.dataset.read_whole:
            return "windows"
        if not self.dataset.plain:  # a window would hold a part of one text only
            return "cut"
        if asked != "auto" or not longer(self.store).get("dev"):
            return "windows" if asked == "windows" else "cut"
        from gradsim_offline.bundle.long_texts import Choice, choose_long_texts

        def choose(directory: Path) -> None:
            choice = choose_long_texts(
                self.dataset,
                multilingual.directory,
                task=self.task,
                maximum_length=self.settings.maximum_length,
                device=self.store.device,
            )
            write_json(directory / _LONG_TEXTS_FILE, asdict(choice))

        inputs = {**self.store.common, "model": multilingual.digest}
        done = self.run.stage("long-texts", inputs, choose, title="how long texts are read")
        choice = Choice(**json.loads((done.directory / _LONG_TEXTS_FILE).read_text(encoding="utf-8")))
        self.run.progress.note(choice.describe(self.task.metric(self.dataset.labels)))
        return choice.long_texts

    def train_groups(self, encoder: Encoder, groups: Groups, multilingual: StageResult) -> dict[str, StageResult]:
        """Train one model per group; a group of all languages is the multilingual model."""
        models = {}
        for group in groups.groups:
            if self.store.is_multilingual(group.members, group.served):
                models[group.id] = multilingual
                continue
            title = f"train {group.id}: {' '.join(group.members)}"
            models[group.id] = self.store.train(encoder, group.members, group.served, title)
        return models

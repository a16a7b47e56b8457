"""The stage that chooses what a build hands over: which model, or models together, answer each language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradsim_offline.bundle.blending import Blend
from gradsim_offline.bundle.parts import Parts
from gradsim_offline.core.run_directory import StageResult, write_json
from gradsim_offline.grouping.result import Groups, LanguageGroup
from gradsim_offline.pipeline.encoders import ngrams_start
from gradsim_offline.pipeline.stages import Pipeline
from gradsim_offline.training.encoders.pretrained import Encoder
from gradsim_offline.training.linear_start import WIDE_FOLDER, trunk_below
from gradsim_shared.manifest import LongTexts

if TYPE_CHECKING:  # torch takes seconds to load
    from gradsim_offline.pipeline.candidates import Candidate

_CHOICE_FILE = "choice.json"
_CHOOSING = 8  # the form of its content, and how it is chosen: raise it with them
ONE, EACH = "one model of all languages", "one model for each language"
LINEAR_ONE, LINEAR_EACH = "one n-gram model of all languages", "an n-gram model for each language"
LINEAR_GROUPS = "an n-gram model for each group"


@dataclass(frozen=True)
class HandedOver:
    """What goes into the bundle.

    Attributes:
        groups: As they are served: languages that the same models answer.
        parts: By the id of the group.
        chosen: Name of the candidate that was chosen.
        candidates: Name, dev score (0 to 1; ``None``: not judged), size in bytes, milliseconds per text and the
            interval of the chosen one's gain over it, of all that were judged.
        asked: The settings chose, not the scores.
    """

    groups: Groups
    parts: Mapping[str, Parts]
    chosen: str = ""
    candidates: Sequence[Mapping[str, Any]] = ()
    asked: bool = False

    def answered_by(self, model: StageResult) -> LanguageGroup:
        """Return what a model answers, alone or with others, as one group."""
        groups = [group for group in self.groups.groups if model in self.parts[group.id].models]
        served = sorted(code for group in groups for code in group.served)
        return replace(groups[0], served=tuple(served))


@dataclass(frozen=True)
class Choosing:
    """The stage, with what it chooses from.

    Attributes:
        pipeline: Settings, data, run directory, trainings.
        encoder: What the asked-for kind of model starts from.
        groups: Of the asked-for kind of model.
        models: The model of each group.
        multilingual: The one model of all languages.
        long_texts: How texts that are too long for a model are read.
    """

    pipeline: Pipeline
    encoder: Encoder
    groups: Groups
    models: Mapping[str, StageResult]
    multilingual: StageResult
    long_texts: LongTexts = "cut"

    def hand_over(self) -> HandedOver:
        """Judge the candidates on dev and return what the bundle holds; without dev texts, the groups."""
        settings, dataset, run = self.pipeline.settings, self.pipeline.dataset, self.pipeline.run
        kinds = self._kinds()
        if not all(dataset.counts("dev").values()):
            run.progress.note("  not every language has dev texts, so no candidate is judged")
            models = self._models()
            kept = next((each for each in reversed(models) if each.kept in kinds), models[0])
            return HandedOver(*self._as_groups(kept), asked=settings.kept != "best")
        from gradsim_offline.pipeline.candidates import choose, judge

        candidates = self._candidates()
        most = settings.maximum_milliseconds
        if len(candidates) == 1 and most is None:
            return HandedOver(*self._as_groups(candidates[0]))

        def work(directory: Path) -> None:
            judged = judge(
                candidates,
                dataset,
                task=self.pipeline.task,
                maximum_length=settings.maximum_length,
                long_texts=self.long_texts,
                seed=settings.seed,
                device=self.pipeline.store.device,
            )
            chosen = choose([each for each in judged if each.candidate.kept in kinds], most)
            content = {
                "chosen": chosen.candidate.name,
                "blend": asdict(chosen.blend) if chosen.blend else None,
                "candidates": [
                    {
                        "name": each.candidate.name,
                        "score": each.score,
                        "size": each.candidate.size,
                        "milliseconds": each.milliseconds,
                        "interval": chosen.gain_over(each),
                        "linear": each.candidate.linear,
                        "taken_from": each.candidate.taken_from,
                    }
                    for each in judged
                ],
            }
            write_json(directory / _CHOICE_FILE, content)

        inputs = {
            **self.pipeline.store.common,
            "candidates": {each.name: each.digests for each in candidates},
            "keep": sorted(kinds),
            "long_texts": self.long_texts,
            "maximum_milliseconds": most,
            "form": _CHOOSING,
        }
        done = run.stage("choose", inputs, work, title="what the bundle hands over")
        content = json.loads((done.directory / _CHOICE_FILE).read_text(encoding="utf-8"))
        run.progress.note("  dev score, size as trained, milliseconds for a text of median length on one thread:")
        for each in content["candidates"]:
            mark = "  <- chosen" if each["name"] == content["chosen"] else ""
            if most is not None and each["milliseconds"] > most:
                mark = f"  (over {most:g} ms)"
            cost = f"{each['size'] / 1e6:.1f} MB, {each['milliseconds']:.2f} ms"
            run.progress.note(f"  dev {100 * each['score']:.2f}, {cost}: {each['name']}{mark}")
        chosen = _named(content, candidates)
        blend = Blend(**content["blend"]) if content["blend"] else None
        groups, parts = self._as_groups(chosen, blend, candidates)
        return HandedOver(groups, parts, content["chosen"], content["candidates"], asked=settings.kept != "best")

    def _kinds(self) -> set[str]:
        """Return the kinds of candidates that may be kept; K groups of N languages may be of another kind as well."""
        kept, number, languages = self.pipeline.settings.kept, len(self.groups.groups), self.pipeline.dataset.languages
        if kept == "best":
            return {"one", "groups", "each", "mixed"}
        if number == 1 and (kept == "groups" or len(languages) == 1):
            return {"one"}
        return {"each"} if kept == "groups" and number == len(languages) else {kept}

    def _models(self, *, each: bool = False) -> list[Candidate]:
        """Return the candidates of the asked-for kind of model: one, the groups, each language if that is asked."""
        from gradsim_offline.pipeline.candidates import Candidate

        languages = self.pipeline.dataset.languages
        of_group = {code: self.models[group.id] for group in self.groups.groups for code in group.served}
        number = len(self.groups.groups)
        models = [Candidate(ONE, "one", dict.fromkeys(languages, self.multilingual))]
        if number == len(languages) > 1:
            models.append(Candidate(EACH, "each", of_group))
        elif number > 1:
            models.append(Candidate(f"{number} groups", "groups", of_group))
        if (each or self.pipeline.settings.kept == "each") and number < len(languages):
            alone = {code: self.pipeline.train(self.encoder, (code,), (code,)) for code in languages}
            models.append(Candidate(EACH, "each", alone))
        return models

    def _candidates(self) -> list[Candidate]:
        """Train the linear models, and list what there is to choose from."""
        from gradsim_offline.pipeline.candidates import Candidate, with_wide

        if self.encoder.kind == "ngrams" and self.pipeline.settings.ngrams.beside:
            linear = self._models(each=True)
            return [*linear, *with_wide(linear[1:], linear[:1])]
        frozen = self.encoder.kind == "frozen"  # heads read n-grams already, and take seconds to train
        models, languages = self._models(each=frozen), self.pipeline.dataset.languages
        number = len(self.groups.groups)
        if not self.pipeline.store.tries_ngrams:
            return models
        start, store = ngrams_start(self.pipeline.store), self.pipeline.store
        one = store.train(start, languages, languages, "n-grams of all languages")
        if len(languages) == 1:
            linear = [Candidate(LINEAR_ONE, "one", {languages[0]: one}, linear=True)]
            return [*models, *linear, *([] if frozen else with_wide(models, linear))]
        each = {code: self._alone(start, code) for code in languages}
        linear = [
            Candidate(LINEAR_ONE, "one", dict.fromkeys(languages, one), linear=True),
            Candidate(LINEAR_EACH, "each", each, linear=True),
        ]
        if 1 < number < len(languages):
            grouped: dict[str, StageResult] = {}
            for group in self.groups.groups:
                one_member = len(group.members) == 1
                model = each[group.members[0]] if one_member else store.train(start, group.members, group.served)
                grouped |= dict.fromkeys(group.served, model)
            linear.append(Candidate(LINEAR_GROUPS, "groups", grouped, linear=True))
        pairs = [] if frozen else with_wide(models, linear)
        return [*models, *linear, *pairs, *with_wide(linear[1:], linear[:1])]

    def _alone(self, start: Encoder, code: str) -> StageResult:
        return self.pipeline.store.train(start, (code,), (code,), f"n-grams of {code}")

    def _as_groups(
        self, chosen: Candidate, blend: Blend | None = None, candidates: Sequence[Candidate] = ()
    ) -> tuple[Groups, dict[str, Parts]]:
        """Return the languages that the same models answer as groups, with their parts.

        Args:
            chosen: The candidate.
            blend: Of its models.
            candidates: All of them: a mixture may have the model of one that was trained on all languages.
        """
        trained_together = {group.folder: group.members for group in self.groups.groups}
        models, wide = chosen.models, chosen.wide
        of_all = {model.directory for each in candidates if each.kept == "one" for model in each.models.values()}
        members = dict.fromkeys((self.multilingual.directory, *of_all), self.pipeline.dataset.languages)
        members |= {self.models[group.id].directory: group.members for group in self.groups.groups}
        similarity = {group.members: group.collective_similarity for group in self.groups.groups}
        served: dict[tuple[StageResult, StageResult | None], list[str]] = {}
        for code in self.pipeline.dataset.languages:
            served.setdefault((models[code], wide.get(code)), []).append(code)
        named, parts = [], {}
        for number, ((model, beside), codes) in enumerate(served.items(), start=1):
            trained = members.get(model.directory, trained_together.get(model.directory.name, tuple(codes)))
            group = LanguageGroup(f"g{number}", tuple(trained), tuple(codes), dict(similarity.get(trained, {})))
            named.append(group)
            trunk, own = trunk_below(model.directory), model.directory / WIDE_FOLDER
            below = trunk.directory if trunk else None
            if own.is_dir():  # trained with the model, so nothing is to be weighed
                parts[group.id] = Parts(model, StageResult(own, model.digest), Blend(1.0, 1.0), below)
            else:
                parts[group.id] = Parts(model, beside, blend, below)
        return replace(self.groups, groups=tuple(named)), parts


def _named(content: Mapping[str, Any], candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate that was chosen, by what the stage has written."""
    from gradsim_offline.pipeline.candidates import mixed

    by_name = {each.name: each for each in candidates}
    taken_from = next(each["taken_from"] for each in content["candidates"] if each["name"] == content["chosen"])
    if not taken_from:
        return by_name[content["chosen"]]
    one, other = (by_name[name] for name in sorted(set(taken_from.values()), key=list(by_name).index))
    return mixed(one, other, taken_from)

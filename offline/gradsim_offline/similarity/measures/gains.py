"""What every group of languages would gain, in closed form: beyond pairs, before any group model is trained."""

from __future__ import annotations

import time

from pydantic import Field

from gradsim_offline.core.dataset import Dataset, Example
from gradsim_offline.core.section import Positive, Rate, Section
from gradsim_offline.similarity.group_features import features
from gradsim_offline.similarity.group_heads import Statistics, answer, calibrated, every_group, sampled_groups
from gradsim_offline.similarity.measure import MeasureContext, SimilarityMeasure
from gradsim_offline.similarity.measured import Measured
from gradsim_shared.errors import DataError

MOST_LANGUAGES = 14  # of more, not every group is scored


class Options(Section):
    """Settings of the measure ``gains``."""

    strengths: list[Rate] = Field(
        [0.3, 1.0, 3.0, 10.0, 30.0], description="of the ridge heads' regularisation, to choose from on dev"
    )
    sketch: Positive = Field(512, description="numbers that n-grams are hashed to, beside an encoder's output")
    most_texts: Positive = Field(600, description="dev texts of a language, at most, that groups are judged on")
    most_groups: Positive = Field(4096, description="groups that are sampled where there are more than 14 languages")


def trains(_: Options) -> bool:
    """Return whether this measure may need a trained model: one of all languages, where none is frozen."""
    return True


def measure(context: MeasureContext) -> Measured:
    """Score a ridge head of every group of languages on the dev texts of each of its members.

    ``A_l`` and ``B_l`` (``group_heads.py``) are summed once over every language's training texts; a group's head is
    one solve. All 2^N - 1 groups are scored up to 14 languages; of more a sample (``sampled_groups``), and what is
    proven of groupings is proven among these. The strength of the regularisation is that of the lowest dev loss of the
    head of all languages and of each one's. What heads answer stays with S (``gains.npz``): F is made of it, with luck
    on dev shrunk (``gains.py``). ``S[i, j]`` is F of i in the group of i and j, ``S[i, i]`` that of i alone. See
    docs/measures.md.

    Raises:
        DataError: The data are no single texts with one label each, or a language has no dev texts.
    """
    started = time.monotonic()
    check(context.dataset, context.options)
    options, count = context.options, len(context.dataset.languages)
    read = features(context, sketch=options.sketch, most_texts=options.most_texts)
    statistics = Statistics.of((read.vectors("train", i) for i in range(count)), read.gold["train"], read.labels)
    dev, gold = [read.vectors("dev", i) for i in range(count)], read.gold["dev"]
    strength, temperature = calibrated(statistics, dev, gold, options.strengths)
    groups = every_group(count) if count <= MOST_LANGUAGES else sampled_groups(count, options.most_groups, 0)
    width = statistics.outer.shape[1] - 1
    context.training.progress.note(f"  heads of {len(groups)} groups over {width} numbers; strength {strength:g}")
    with context.training.progress.bar("groups", len(groups)) as advance:
        answers = answer(statistics, dev, gold, groups, strength=strength, temperature=temperature, advance=advance)
    return Measured(
        "gains",
        context.dataset.languages,
        answers.pairs(),
        settings={**options.model_dump(), "strength": strength, "groups": len(groups), "temperature": temperature},
        seconds=time.monotonic() - started,
        answers=answers,
    )


def check(dataset: Dataset, _: Section) -> None:
    """Check before any training that the measure is possible.

    Raises:
        DataError: The data are no single texts with one label each, or a language has no dev texts.
    """
    first = dataset.split(dataset.languages[0], "train")[:1]
    if not dataset.plain or not all(isinstance(example, Example) for example in first):
        raise DataError(f"{dataset.name}: the measure gains is for single texts with one label each")
    without = [code for code in dataset.languages if not dataset.split(code, "dev")]
    if without:
        raise DataError(
            f"{dataset.name}: {', '.join(without)} has no dev split, and the measure gains scores on it; add one, "
            "leave the language out (--languages), or do without this measure (--measure, --methods)"
        )


PLUGIN = SimilarityMeasure(measure, check=check, trains=trains, options=Options)

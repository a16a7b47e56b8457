"""What is found before anything is trained: settings and data that do not go together."""

from __future__ import annotations

import numpy as np

from gradsim_offline.core import plugins
from gradsim_offline.core.settings import NGRAMS
from gradsim_offline.grouping.choose_k import reads_k, solver_to_try
from gradsim_offline.grouping.constraints import check_constraints
from gradsim_offline.grouping.problem import Problem, read_constraints
from gradsim_offline.grouping.solve import check_for_gains
from gradsim_offline.grouping.solver import load_solver
from gradsim_offline.pipeline.training_setup import TrainingSetup
from gradsim_offline.similarity.measure import load_measure
from gradsim_offline.training.strategy import load_strategy
from gradsim_shared.errors import DataError, SettingsError


def check_build(setup: TrainingSetup) -> None:
    """Find before anything is trained what cannot work with these settings and data.

    Raises:
        DataError: A language has no training texts, or lacks what the measure or auto K needs.
        SettingsError: Measure, solver, constraints or strategy are not possible.
    """
    for language in setup.dataset.languages:
        if not setup.dataset.split(language, "train"):
            raise DataError(f"{setup.dataset.name}: {language} has no train split; every language needs one")
    load_solver(setup.settings.grouping.solver).check(len(setup.dataset.languages))
    measure = load_measure(setup.settings.measure)
    measure.check(setup.dataset, plugins.options("similarity", setup.settings.measure, setup.settings.similarity))
    if setup.settings.maximum_milliseconds is not None:
        _check_dev(setup, "maximum_milliseconds bounds a choice by dev texts")
    if not setup.settings.trains_whole_models:
        _check_parts(setup, reads_encoder=measure.reads_encoder)
    if setup.settings.measuring.balanced and (setup.dataset.read_whole or setup.task.several_labels):
        raise SettingsError("measuring.balanced weighs the labels of texts alike, and here each has many, or none")
    _check_grouping(setup)
    check_strategy(setup)


def _check_parts(setup: TrainingSetup, *, reads_encoder: bool) -> None:
    """Raise ``SettingsError`` where the models are linear, or stand on a trunk, and what is asked for cannot."""
    of_ngrams = setup.settings.model == NGRAMS
    if not setup.dataset.plain and setup.settings.linear:
        which = f"model {NGRAMS} is" if of_ngrams else "heads over a frozen encoder are"
        what = "words" if setup.dataset.tagged else "questions" if setup.dataset.asks else "pairs"
        raise SettingsError(
            f"{which} for texts with one label; {what} need an encoder that is trained, all of it or its upper blocks: "
            "--model mini, or --model e5-small (training.trained_blocks = 4, or all)"
        )
    if reads_encoder:
        what = f"which model {NGRAMS} is not" if of_ngrams else "and here its lower blocks are a frozen trunk"
        raise SettingsError(
            f"measure {setup.settings.measure} reads an encoder, {what}; take another one (--measure, --methods)"
        )


def _check_grouping(setup: TrainingSetup) -> None:
    """Find before anything is trained what no grouping could keep to; say when K is larger than it can be."""
    chosen, count = setup.settings.grouping, len(setup.dataset.languages)
    sizes = setup.dataset.counts("train")
    languages = setup.dataset.languages
    constraints = read_constraints(chosen, languages, [sizes[code] for code in languages])
    given = chosen.groups != "auto" and reads_k(chosen)
    groups = int(chosen.groups) if given else count  # auto tries every language alone, too
    check_constraints(Problem(np.eye(count), groups, np.zeros(count), languages, constraints))
    if setup.settings.measure == "gains" and load_solver(chosen.solver).reads_gains:
        check_for_gains(chosen)
    if solver_to_try(chosen) and "groups" in chosen.model_fields_set:  # auto was asked for
        _check_dev(setup, "auto K chooses by dev texts", ", or give K as a number")
    if groups > count:  # no error: K is a largest number, and more than N where few languages meet the default
        setup.run.progress.note(f"K = {groups} groups of {count} languages: there will be {count} at most")


def _check_dev(setup: TrainingSetup, why: str, instead: str = "") -> None:
    """Raise ``DataError`` where a language has no dev texts."""
    without = [code for code in setup.dataset.languages if not setup.dataset.split(code, "dev")]
    if without:
        raise DataError(
            f"{setup.dataset.name}: {', '.join(without)} has no dev split, and {why}; add one, or leave the "
            f"language out (--languages){instead}"
        )


def check_strategy(setup: TrainingSetup) -> None:
    """Find before anything is trained what the training strategy cannot do with these data, if it can tell.

    Raises:
        SettingsError: Its options do not fit the data.
    """
    training = setup.settings.training
    if setup.dataset.asks and training.ensemble > 1 and (training.distil or training.average == "probabilities"):
        raise SettingsError(
            "training.ensemble: of questions, models of several seeds answer by the mean of their logits, and teach no "
            "student; set training.average=logits, training.distil=false"
        )
    if training.strategy == "mixed":  # plain training fits everything
        return
    counts = setup.dataset.counts("train")
    if training.fraction < 1:  # as ``fine_tune`` draws them: one text at least
        counts = {code: max(1, round(training.fraction * count)) for code, count in counts.items()}
    options = plugins.options("strategies", training.strategy, training.strategy_options)
    load_strategy(training.strategy).check(options, counts)

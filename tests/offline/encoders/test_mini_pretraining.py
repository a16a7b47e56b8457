"""How long mini is pre-trained: so many tokens at most, and no longer than perplexity on held-out texts falls."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from gradsim_offline.core.training_settings import Pretraining
from gradsim_offline.training.encoders import mini
from gradsim_offline.training.text_stream import Listed

SIZES = {"vocabulary": 300, "hidden_size": 32, "layers": 1, "ngram_buckets": 64, "ngram_size": 8, "batch_size": 8}


@pytest.fixture
def made(small, tmp_path, counting, training_context):
    """A function that makes a mini of ``small``: what is said of it, and the figures of its epochs."""

    def make(held_out=None, **settings):
        texts = {code: [example.text for example in small.split(code, "train")] for code in small.languages}
        progress, epochs, directory = counting(), [], tmp_path / str(len(list(tmp_path.iterdir())))
        directory.mkdir()
        context = training_context(progress=progress, log=lambda **figures: epochs.append(figures))
        mini.make(texts, directory, settings=Pretraining(**SIZES, **settings), context=context, held_out=held_out)
        return progress.notes[-1], epochs

    return make


def dev(dataset):
    return {code: Listed([each.text for each in dataset.split(code, "dev")]) for code in dataset.languages}


def test_tokens_end_it_in_the_middle_of_an_epoch(made):
    said, whole = made(epochs=1)
    read = float(re.fullmatch(r"masked language modelling: 1 of 1 epochs, (0\.\d) M tokens", said)[1])
    assert len(whole) == 1 and read < 0.1  # 56 short sentences
    said, epochs = made(epochs=9, tokens=1)
    assert len(epochs) == 1 and said.endswith("1 of 9 epochs, 0.0 M tokens: pretraining.tokens = 1")


@pytest.mark.parametrize(("tokens", "steps"), [(1, [1]), (100, [3]), (101, [3, 1]), (250, [3, 3, 2]), (10**9, [3] * 4)])
def test_plans_hold_no_more_batches_than_the_tokens_need(tokens, steps):
    settings = Pretraining(epochs=4, batch_size=4, tokens=tokens)
    plans = mini.plans_within([10] * 10, settings, seed=0)  # an epoch has 100 tokens, in batches of 40, 40, and 20
    assert list(map(len, plans)) == steps
    assert all(sorted(chain(*plan)) == list(range(10)) for plan in plans if len(plan) == 3)


def test_it_stops_where_perplexity_stops_falling_and_keeps_the_best_epoch(made, small):
    said, epochs = made(dev(small), epochs=9, learning_rate=1e-30)  # nothing is learnt
    assert len(epochs) == 2 and epochs[0]["perplexity"] == epochs[1]["perplexity"]
    assert ": perplexity stopped falling; perplexity " in said and said.endswith(" on held-out texts, of epoch 1")


def test_it_goes_on_while_perplexity_falls(made, small):
    said, epochs = made(dev(small), epochs=3, learning_rate=1e-3)
    falling = [figures["perplexity"] for figures in epochs]
    assert len(falling) == 3 and falling == sorted(falling, reverse=True)
    assert said.endswith(f"perplexity {falling[-1]:.1f} on held-out texts, of epoch 3") and "stopped" not in said

"""Tiny real things that the toolkit's tests share; nothing here looks at the network or at a user's Hub cache."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

_HOME = tempfile.mkdtemp(prefix="gradsim-tests-hub-")  # before anything of Hugging Face is imported
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(HF_HOME=_HOME, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")
os.environ["XDG_CACHE_HOME"] = _HOME

import pytest
import torch

from gradsim_offline.core.dataset import SPLITS, Dataset, Split, TaggedSentence
from gradsim_offline.core.progress import Progress
from gradsim_offline.core.training_settings import Pretraining
from gradsim_offline.datasets.sources import demo, demo_entities
from gradsim_offline.similarity.measure import MeasureContext
from gradsim_offline.training.context import TrainingContext
from gradsim_offline.training.task import load_task

torch.set_num_threads(1)

LENGTH = 64  # tokens
TINY = Pretraining(
    vocabulary=300, hidden_size=32, layers=2, ngram_buckets=512, ngram_size=8, epochs=1, batch_size=16, masked=0.3
)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of public data sets."""
    root = Path(os.environ.get("GRADSIM_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (root / "afrisenti").is_dir():
        pytest.skip(f"{root} has no afrisenti/; set GRADSIM_DATA to the folder that holds it")
    return root


@pytest.fixture(scope="session")
def small() -> Dataset:
    """Sentences of three languages, unequally many."""
    sizes = {"eng": (17, 9, 9), "hau": (30, 12, 12), "tur": (9, 6, 6)}
    whole = demo.load(languages=list(sizes))
    return Dataset(
        "small",
        whole.task,
        whole.labels,
        {
            code: {
                split: whole.split(code, split)[:n] for split, n in zip(("train", "dev", "test"), counts, strict=True)
            }
            for code, counts in sizes.items()
        },
    )


@pytest.fixture(scope="session")
def tagged() -> Dataset:
    """Sentences of three languages with their entities, unequally many; some of one word, some too long for a model."""
    sizes = {"eng": (12, 7, 6), "hau": (24, 9, 8), "tur": (7, 5, 4)}
    whole = demo_entities.load(languages=list(sizes))

    def chosen(code: str, split: Split, count: int) -> tuple[TaggedSentence, ...]:
        mine = whole.split(code, split)
        first = mine[0]
        short = TaggedSentence(first.words[0], first.words[:1], first.tags[:1])
        words, tags = (tuple(chain.from_iterable(getattr(one, name) for one in mine[:9])) for name in ("words", "tags"))
        return (*mine[: count - 2], short, TaggedSentence(" ".join(words), words, tags))

    examples = {
        code: {split: chosen(code, split, n) for split, n in zip(SPLITS, counts, strict=True)}
        for code, counts in sizes.items()
    }
    return Dataset("tagged", whole.task, whole.labels, examples)


@pytest.fixture(scope="session")
def texts(small: Dataset) -> list[str]:
    """The training texts of ``small``."""
    return [example.text for code in small.languages for example in small.split(code, "train")]


@pytest.fixture(scope="session")
def quiet() -> Progress:
    return Progress(quiet=True)


class Counting(Progress):
    """Keeps notes and the remarks of steps; raises KeyboardInterrupt, as Ctrl-C does, after steps or at a note."""

    def __init__(self, steps=-1, note=""):
        super().__init__(quiet=True)
        self.left, self.last, self.notes, self.remarks = steps, note, [], []

    def note(self, text, *, heading=False):
        """Keep it."""
        self.notes.append(text.strip())
        if self.last and self.last in text:
            raise KeyboardInterrupt

    @contextmanager
    def bar(self, title, total):
        """Count the steps down; perplexity is no training."""

        def advance(remark):
            self.remarks.append(remark)
            self.left -= title != "perplexity"
            if self.left == 0:
                raise KeyboardInterrupt

        yield advance


@pytest.fixture(scope="session")
def counting() -> type[Counting]:
    """The class of a progress that counts steps, and stops after a number of them."""
    return Counting


@pytest.fixture(scope="session")
def training_context(quiet: Progress):
    """A function that makes the context of a tiny training from an encoder and the fields that differ."""

    def make(encoder="none", **fields) -> TrainingContext:
        task = fields.pop("task", "text_classification")
        usual = {"maximum_length": LENGTH, "seed": 0, "device": torch.device("cpu"), "progress": quiet}
        return TrainingContext(
            task=load_task(task), encoder=str(encoder), **{**usual, "log": lambda **_: None, **fields}
        )

    return make


@pytest.fixture(scope="session")
def measure_context(small: Dataset, training_context):
    """A function that makes the context of a measure; further arguments are fields of its training context."""

    def make(
        encoder, directory, *, dataset=small, measuring=None, options=None, train=None, **fields
    ) -> MeasureContext:
        directory.mkdir(exist_ok=True)
        context = training_context(encoder, **fields)
        return MeasureContext(dataset, directory, context, measuring, options, train or (lambda *_: directory))

    return make


@pytest.fixture(scope="session")
def tiny_mini(small: Dataset, training_context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini encoder, pre-trained for an epoch on ``small``."""
    from gradsim_offline.training.encoders import mini

    directory = tmp_path_factory.mktemp("encoders") / "mini"
    directory.mkdir()
    mini.make(
        {code: [example.text for example in small.split(code, "train")] for code in small.languages},
        directory,
        settings=TINY,
        context=training_context(),
    )
    return directory


@pytest.fixture(scope="session")
def tiny_xlmr(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a real XLM-R of about 30 000 parameters and a tokenizer of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    directory = tmp_path_factory.mktemp("encoders") / "xlmr"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    ).save_pretrained(directory)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        hidden_dropout_prob=0.1,
    )
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(directory)
    return directory

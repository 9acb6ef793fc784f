"""One step of training, the loss in it, and a whole epoch."""

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks import speech
from benchmarks.measuring import REPOSITORY, Section, big_products, section


def _training_batch() -> tuple[Any, ...]:
    """32 utterances of 1 to 2.5 s, 13 features, 27 tokens, 20 letters each."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    lengths = torch.randint(100, 251, (32,))
    frames = torch.randn(32, int(lengths.max()), 13)
    frames *= (torch.arange(frames.shape[1])[None] < lengths[:, None])[:, :, None]
    return frames, lengths, torch.randint(1, 27, (32, 20)), torch.full((32,), 20)


def _same_gradients(ours: Any, peer: Any) -> str:
    import numpy as np

    difference = np.abs(np.array(ours) - np.array(peer)).max() / np.abs(ours).max()
    assert difference < 1e-5, difference
    return f"gradients within {max(difference, 1e-9):.0e} of the largest"


def _step(key: str, title: str) -> Section:
    """A section of one step of training."""
    return section(key, title, "utterances", 32, repeats=5, same=_same_gradients)


def _step_of_asr(cell: str, _folder: Path) -> Iterator[Any]:
    from asr.network.encoder import AcousticModel, ModelConfig
    from asr.tasks.ctc import Ctc
    from asr.text import TextConfig

    frames, lengths, tokens, token_lengths = _training_batch()
    model = AcousticModel(ModelConfig(dropout=0.0, cell=cell), 13, 27)
    yield
    log_probs, output_lengths = model(frames, lengths)
    Ctc(TextConfig()).loss(log_probs, output_lengths, tokens, token_lengths).sum().backward()  # type: ignore[no-untyped-call]
    yield _gradient(model.head.bias)


def _step_of_packed(cell: str, peer: str, _folder: Path) -> Iterator[Any]:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    from asr.network.encoder import AcousticModel, ModelConfig
    from asr.tasks.ctc import Ctc
    from asr.text import TextConfig

    frames, lengths, tokens, token_lengths = _training_batch()
    model = AcousticModel(ModelConfig(dropout=0.0, cell=cell), 13, 27)
    layers = getattr(nn, peer)(13, 40, 2, bidirectional=True, batch_first=True)
    for layer in range(2):
        for suffix, own in (("", model.forwards[layer]), ("_reverse", model.backwards[layer])):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(layers, f"{name}_l{layer}{suffix}").data = getattr(own, f"{name}_l0").data
    head = nn.Linear(80, 27)
    head.load_state_dict(model.head.state_dict())
    yield
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    hidden, _ = pad_packed_sequence(layers(packed)[0], batch_first=True)
    log_probs = torch.log_softmax(head(hidden), dim=2)
    Ctc(TextConfig()).loss(log_probs, lengths, tokens, token_lengths).sum().backward()  # type: ignore[no-untyped-call]
    yield _gradient(head.bias)


step = _step("step", "Training: forward, CTC loss and backward of 32 utterances of 1 to 2.5 s")
step.contender("asr")(partial(_step_of_asr, "lstm"))


@step.contender("numpy, as many products in big matrices (sgemm)", is_limit=True)
def _(_folder: Path) -> Iterator[Any]:
    from asr.network.encoder import AcousticModel, ModelConfig

    frames = int(_training_batch()[1].sum())
    weights = sum(weight.numel() for weight in AcousticModel(ModelConfig(), 13, 27).parameters() if weight.ndim == 2)
    yield from big_products(3 * weights * frames)  # forward, by the weights and by what went in


step.contender("nn.LSTM on packed sequences")(partial(_step_of_packed, "lstm", "LSTM"))

# PyTorch has no peepholes: its LSTM does less. They begin shut, so that both have the same gradients.
for _cell, _peer in (("gru", "GRU"), ("rnn", "RNN"), ("lstm_peephole", "LSTM")):
    of_cell = _step(f"step-{_cell}", f"Training with other cells: the same step with `model.cell: {_cell}`")
    of_cell.contender("asr")(partial(_step_of_asr, _cell))
    of_cell.contender(f"nn.{_peer} on packed sequences")(partial(_step_of_packed, _cell, _peer))


def _gradient(bias: Any) -> list[float]:
    return [float(value) for value in bias.grad]


# --- the loss alone -----------------------------------------------------------------------------------------------


def _same_losses(ours: Any, peer: Any) -> str:
    assert all(abs(one - other) < 1e-4 * abs(one) for one, other in zip(ours, peer, strict=True)), (ours, peer)
    return "the same losses"


def _emissions(num_tokens: int) -> tuple[Any, ...]:
    """Log-probabilities (32, 250, 27) of real lengths and as many tokens for each."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    lengths = torch.randint(150, 251, (32,))
    logits = torch.randn(32, 250, 27, requires_grad=True)
    return logits, lengths, torch.randint(1, 27, (32, num_tokens)), torch.full((32,), num_tokens)


def _loss_of_asr(num_tokens: int, _folder: Path) -> Iterator[Any]:
    from asr.tasks.ctc import Ctc
    from asr.text import TextConfig

    logits, lengths, tokens, token_lengths = _emissions(num_tokens)
    yield
    losses = Ctc(TextConfig()).loss(logits.log_softmax(dim=2), lengths, tokens, token_lengths)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    yield losses.tolist()


def _loss_of_torch(num_tokens: int, _folder: Path) -> Iterator[Any]:
    from torch.nn.functional import ctc_loss

    logits, lengths, tokens, token_lengths = _emissions(num_tokens)
    yield
    log_probs = logits.log_softmax(dim=2).transpose(0, 1)
    losses = ctc_loss(log_probs, tokens, lengths, token_lengths, reduction="none")
    losses.sum().backward()  # type: ignore[no-untyped-call]
    yield losses.tolist()


for _letters in (6, 50):
    ctc = section(
        f"ctc-{_letters}", f"CTC loss: forward and backward of 32 utterances of 1.5 to 2.5 s, {_letters} letters each",
        "utterances", 32, repeats=5, same=_same_losses,
    )  # fmt: skip
    ctc.contender("asr.tasks.ctc")(partial(_loss_of_asr, _letters))
    ctc.contender("torch.nn.functional.ctc_loss")(partial(_loss_of_torch, _letters))


# --- a whole epoch ------------------------------------------------------------------------------------------------

NUM_UTTERANCES = 192


def _make_corpus(folder: Path) -> None:
    speech.write_corpus(folder, NUM_UTTERANCES, shortest_s=1.0)


@cache
def _corpus(folder: Path, recipe: str) -> tuple[Any, Any, Any]:
    """Batches, network and settings that `asr-train` would make of a recipe and this corpus."""
    from dataclasses import replace

    import torch

    import asr
    from asr.data import examples, manifest
    from asr.data.augment import Augmenter
    from asr.data.batches import Batches
    from asr.features import FeatureExtractor
    from asr.modelfile.card import ModelCard
    from asr.network.encoder import AcousticModel
    from asr.tasks.ctc import Ctc
    from asr.training.recipe import load

    settings = load(REPOSITORY / "recipes" / recipe, ["data.source=."] if recipe == "an4.yaml" else [])
    features = replace(settings.features, source="audio")
    card = ModelCard(features, settings.text, recipe=settings.to_dict(), version=asr.__version__)
    task = Ctc(settings.text)
    loaded, skipped = examples.load(
        manifest.read(folder / "train.jsonl"), FeatureExtractor(features), task,
        keep_sound=settings.augment.touches_sound, cache=folder / "cache",
    )  # fmt: skip
    assert not skipped, skipped
    cepstra = (example.signal.cepstra(card.extractor) for example in loaded)
    card = replace(card, statistics=card.extractor.measure(cepstra))
    batches = Batches(loaded, task, card.extractor, settings.train.batch_size,
                              augmenter=Augmenter(settings.augment, features), seed=1)  # fmt: skip
    torch.set_num_threads(1)
    return batches, AcousticModel(settings.model, features.num_features, len(card.tokenizer)), settings


def _epochs(recipe: str, is_bare: bool, folder: Path) -> Iterator[Any]:
    import torch

    from asr import machine
    from asr.data.batches import Batches
    from asr.training import loop
    from asr.training.state import State

    class Ready(Batches):
        """Batches in memory, made before the clock starts."""

        def shards(self, number: int, count: int, *_: Any) -> Iterator[tuple[int, list[Any]]]:
            return iter([(len(one), one) for one in (batch.split(count) for batch in made[number])])

    machine.keep_memory()
    shared, model, settings = _corpus(folder, recipe)
    # Sound is perturbed anew in the first of `renew` epochs: the others are part of what it costs.
    numbers = range(1, settings.augment.renew + 1)
    batches = (Ready if is_bare else Batches)(
        shared.examples, shared.task, shared.extractor, shared.batch_size, augmenter=shared.augmenter, seed=1
    )
    made = {number: list(batches.epoch(number)) for number in numbers} if is_bare else {}
    torch.manual_seed(0)
    model.reset()
    state = State(model, settings.train, len(batches))
    yield
    losses = []
    for number in numbers:
        state.progress = state.begin()
        done = loop.train_epoch(state, shared.task, batches, settings.train, number)
        losses.append(done.loss / done.num_targets)
    yield losses


for _key, _recipe, _what, _count in (
    ("epoch", "an4.yaml", "cepstra perturbed as in an4.yaml", 1),
    ("epoch-sound", "digits.yaml", "sound and cepstra perturbed as in digits.yaml", 3),
):
    epoch: Section = section(
        _key, f"An epoch of training: {NUM_UTTERANCES} utterances of 1 to 2.5 s, {_what}", "utterances",
        _count * NUM_UTTERANCES, prepare=_make_corpus, same=_same_losses, repeats=1,
    )  # fmt: skip
    epoch.contender("asr.training.loop's epoch, from the cache on disk")(partial(_epochs, _recipe, False))
    epoch.contender("the same steps on batches in memory")(partial(_epochs, _recipe, True))

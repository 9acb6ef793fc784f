"""Commands counted: intent and every labelled slot, in noise too; and the corpus and the report of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import REPOSITORY

from asr import audio
from asr.data import corpus, manifest
from asr.data.manifest import Utterance
from asr.modelfile.card import ModelCard, Tuning
from asr.recognition import noisy
from asr.score.commands import Accepted, Command, score_commands, to_text
from asr.synthesis import speak

COFFEE = """
intents:
  Order: ["get me (a|an) [{size}] {drink}"]
  Stop: ["stop [it]"]
lists:
  size: {values: [small, {in: large, out: 2}]}
  drink: {values: [mocha, latte, iced mocha]}
"""


def test_extra_slots_are_not_punished_and_missing_ones_are():
    wanted = [
        Command("Order", {"size": "small", "drink": "iced mocha"}),
        Command("Order", {"size": 2}),
        Command("Stop"),
    ]
    got = [Command("Order", {"size": "small", "drink": "mocha"}), Command("Order", {"size": "2", "drink": "latte"}),
           Command(None)]  # fmt: skip
    scored = score_commands(wanted, got)
    assert (scored.commands.right, scored.commands.total) == (1, 3)
    assert (scored.intents.right, scored.slots["size"].right, scored.slots["drink"].right) == (2, 2, 0)
    assert scored.words["iced"].right == 0 and scored.words["mocha"].right == 1
    assert scored.confusions == [(("drink", "iced mocha", "mocha"), 1)]
    assert 0 < scored.commands.range.low < 1 / 3 < scored.commands.range.high < 1
    assert "iced mocha -> mocha" in to_text(scored)
    json.dumps(scored.to_dict())
    assert Accepted(3, 10, 0.5).per_hour == 6 and str(Accepted(0, 1, 0.5)).startswith("0 false accepts")


def test_noise_has_the_ratio_that_was_asked_for_and_depends_on_the_id_alone(tmp_path):
    rng = np.random.default_rng(0)
    speech = np.pad(rng.standard_normal(4096), (2048, 2048)).astype("f4") * 0.3
    noise = rng.standard_normal(50000).astype("f4")
    for snr_db in (-3.0, 12.0):
        mixed = noisy.mix(speech, noise, snr_db, np.random.default_rng(5))
        start = int(np.random.default_rng(5).integers(0, len(noise) - len(speech)))
        part = noise[start : start + len(speech)]
        gain = mixed[:2048] @ part[:2048] / (part[:2048] @ part[:2048])  # nobody speaks there
        clean = np.abs(mixed - gain * part).max() / np.abs(speech).max() * speech
        assert np.abs(mixed).max() == pytest.approx(0.5)
        ratio = noisy.peak_energy(clean) / noisy.peak_energy(gain * part)
        assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)
    assert len(noisy.mix(np.tile(speech, 20), noise, 6.0, rng)) == 20 * len(speech)
    for name in "ab":
        audio.write(tmp_path / f"{name}.wav", speech, 16000)
    one, two = (Utterance(name, "", audio=str(tmp_path / f"{name}.wav")) for name in "ab")
    first = noisy.noisy(one, noise, 6.0, 16000).waveform()
    assert np.array_equal(first, noisy.noisy(one, noise, 6.0, 16000).waveform())
    assert not np.array_equal(first, noisy.noisy(two, noise, 6.0, 16000).waveform())


def test_a_manifest_holds_intents_and_slots(tmp_path):
    utterances = [Utterance("a", "", audio="a.wav", intent="Order", slots={"size": 2}),
                  Utterance("b", "b", audio="b.wav", intent="")]  # fmt: skip
    manifest.write(tmp_path / "m.jsonl", utterances)
    again = manifest.read(tmp_path / "m.jsonl")
    assert [(one.intent, one.slots) for one in again] == [("Order", {"size": 2}), ("", None)]
    assert len(set(again)) == 2


@pytest.fixture
def labelled(tones, tmp_path):
    """Words of tones as sentences, and a manifest of the test split that labels them; one wrongly."""
    utterances = manifest.read(tones / "test.jsonl")
    words = sorted({utterance.text for utterance in utterances})
    (tmp_path / "words.yaml").write_text(f"intents: {{Spell: ['{{word}}']}}\nlists: {{word: {{values: {words}}}}}\n")
    rows = [Utterance(one.id, "", audio=one.audio, duration_s=one.duration_s, intent="Spell",
                      slots={"word": one.text if index else "other"})
            for index, one in enumerate(utterances)]  # fmt: skip
    manifest.write(tmp_path / "labelled.jsonl", rows)
    return tmp_path


def test_evaluating_counts_commands_in_noise_too(labelled, tones_run):
    rng = np.random.default_rng(1)
    audio.write(labelled / "noise.wav", (0.1 * rng.standard_normal(48000)).astype("f4"), 16000)
    command = ["asr-evaluate", tones_run[0], labelled / "labelled.jsonl", "--sentences", labelled / "words.yaml"]
    done = subprocess.run(
        [*command, "--output", labelled / "h.trn", "--format", "json"], capture_output=True, text=True
    )
    scored = json.loads(done.stdout)["commands"]
    assert 21 <= scored["commands"]["right"] <= 23 and scored["commands"]["total"] == 24
    assert {"slot": "word", "wanted": "other"}.items() <= scored["confusions"][0].items() or scored["confusions"]
    noise = ["--noise", labelled / "noise.wav", "--snr=-20,40", "--plot", labelled / "noise.svg"]
    done = subprocess.run([*command, *noise], capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    rates = [float(line[line.index("commands") + 1].rstrip("%")) for line in lines]
    assert [line[0] for line in lines] == ["as", "-20", "40"] and rates[1] < rates[2] <= rates[0] + 5
    assert "<svg" in (labelled / "noise.svg").read_text()
    done = subprocess.run([*command, "--plot", "a.svg"], capture_output=True, text=True)
    assert done.returncode == 2 and "--noise" in done.stderr


GERMAN = """language: de
intents:
  Dim: {data: [{sentences: ["dimme (die küche|das bad) auf {level} prozent"]}]}
lists:
  level: {range: {from: 20, to: 22}}
"""


class TestCorpus:
    @pytest.fixture(autouse=True)
    def _voices(self, monkeypatch, tmp_path):
        words = "the water kitchen open window under people".split()
        fake = SimpleNamespace(top_n_list=lambda _, count: words[:count], word_frequency=lambda *_: 1e-3)
        monkeypatch.setitem(sys.modules, "wordfreq", fake)
        monkeypatch.setattr(speak, "speak_all", lambda made, *_, **__: [1.0] * len(made))
        self.prepare = corpus.load_script(REPOSITORY / "recipes" / "prepare" / "sentences.py")
        (tmp_path / "coffee.yaml").write_text(COFFEE)
        self.settings = {"folder": tmp_path, "sentences": str(tmp_path / "coffee.yaml"), "neural_voices": "",
                         "general_voices": "", "general": 20}  # fmt: skip

    def test_every_split_has_its_sentences_and_no_voice_of_another(self):
        splits = self.prepare(**self.settings, utterances=200, held_out=20)
        assert len(splits.dev) == len(splits.test) == 20
        assert all(one.intent in ("Order", "Stop") for one in splits.dev + splits.test)
        orders = [one for one in splits.test if one.intent == "Order"]
        assert all(("large" in one.text) == (one.slots.get("size") == 2) for one in orders)
        assert not any(one.intent for one in splits.train), "training needs texts alone"
        texts = [one.text for one in splits.train]
        counts = {word: sum(word in text.split() for text in texts) for word in ("mocha", "iced", "it", "large")}
        assert min(counts.values()) > 20
        near = [one for one in splits.negatives if one.intent == ""]
        assert len(near) == 20 and len(splits.negatives) > 35
        spoken = {one.speaker for one in splits.train if one.text}
        assert not spoken & {one.speaker for one in splits.dev + splits.test + splits.negatives if one.text}
        built, _ = sys.modules[self.prepare.__module__].read(self.settings["sentences"])
        parse = built.parser()
        assert not any(parse(one.text) for one in near) and all(parse(one.text) for one in splits.test)
        assert 10 < sum(parse(text) is None for text in texts) - 20 < 60, "near misses are trained on, too"

    def test_what_is_said_depends_on_the_seed_alone(self):
        """Strings have another hash in each process, and sets another order."""
        script = REPOSITORY / "recipes" / "prepare" / "sentences.py"
        code = f"""if True:
            import sys, numpy as np, pathlib
            from asr.data import corpus
            module = sys.modules[corpus.load_script(pathlib.Path({str(script)!r})).__module__]
            speech = module.Sentences(*module.read({self.settings["sentences"]!r}), ["tea", "water"])
            rng = np.random.default_rng(1)
            print([speech.draw(rng).text for _ in range(20)], [speech.miss(rng).text for _ in range(20)])"""
        said = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in "123"
        }
        assert len(said) == 1 and "tea" in said.pop()

    def test_people_are_tested(self, tmp_path):
        folder = tmp_path / "real" / "get_me_a_large_latte"
        folder.mkdir(parents=True)
        audio.write(folder / "one.wav", np.full(1600, 0.1, "f4"), 16000)
        splits = self.prepare(**self.settings, utterances=5, held_out=1, real=str(tmp_path / "real"))
        assert [(one.intent, one.slots) for one in splits.real] == [("Order", {"size": 2, "drink": "latte"})]

    def test_in_another_language(self, tmp_path):
        """Its voices, its letters, numbers in its words; other speech from a file alone, and no English voice."""
        (tmp_path / "licht.yaml").write_text(GERMAN, "utf-8")
        settings = {**self.settings, "sentences": str(tmp_path / "licht.yaml"), "general": 4, "language": "de"}
        (tmp_path / "text.txt").write_text("Schöne Grüße\n\n", "utf-8")
        splits = self.prepare(**settings, utterances=30, held_out=4, text=str(tmp_path / "text.txt"))
        texts = [one.text for one in splits.train if not one.id.startswith("general-")]
        assert any("einundzwanzig" in text for text in texts) and any("küche" in text for text in texts)
        other = [one for one in [*splits.train, *splits.negatives] if one.id.startswith("general-")]
        assert len(other) == 8 and {one.text for one in other} == {"Schöne Grüße"}
        alone = self.prepare(**settings, utterances=3, held_out=1)
        assert len(alone.train) == 3 and "data.text" in alone.notes[0]
        with pytest.raises(corpus.CorpusError, match=r"its language is de: set data\.language=de"):
            self.prepare(**{**settings, "language": ""}, utterances=3, held_out=1)
        (tmp_path / "text.txt").write_text("\n")
        with pytest.raises(corpus.CorpusError, match=r"data\.text: .*holds no sentences"):
            self.prepare(**settings, utterances=3, held_out=1, text=str(tmp_path / "text.txt"))

    def test_mistakes(self):
        with pytest.raises(corpus.CorpusError, match=r"data\.near_misses"):
            self.prepare(**self.settings, near_misses=1.0)
        with pytest.raises(corpus.CorpusError, match=r"data\.slowest=240"):
            self.prepare(**self.settings, slowest=240)


def test_the_recipe_is_one_of_the_wideband_ones():
    from asr.training import recipe

    made = recipe.load(REPOSITORY / "recipes" / "sentences.yaml", [f"data.sentences={Path(__file__)}"])
    assert made.features.num_features == recipe.load(REPOSITORY / "recipes" / "english.yaml").features.num_features


def test_a_trained_network_keeps_its_parents_tuning_but_for_the_penalties_of_sentences(tmp_path):
    from asr.training import commands, recipe

    sentences, folder = tmp_path / "light.jsgf", tmp_path / "data"
    sentences.write_text("#JSGF V1.0; grammar light; public <command> = turn on the light;")
    settings = [f"data.sentences={sentences}", f"data.folder={folder}"]
    made = recipe.load(REPOSITORY / "recipes" / "sentences.yaml", settings)
    tuning = {"beam+lexicon": Tuning(blank_penalty=1.5), commands.KIND: Tuning(word_bonus=1.0)}
    parent = ModelCard(made.features, made.text, tuning=tuning)
    card = commands.with_sentences(ModelCard(made.features, made.text), made, parent)
    assert card.sentences and card.tuning["beam+lexicon"] == tuning["beam+lexicon"]
    stored = Tuning(word_bonus=1.0, blank_penalty=2.0, garbage_penalty=12.0, min_confidence=0.1)
    assert card.tuning[commands.KIND] == stored

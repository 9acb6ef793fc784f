import json
import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml
from conftest import REPOSITORY

from asr.errors import UserError
from asr.training import recipe

RECIPES = sorted((REPOSITORY / "recipes").glob("*.yaml"))
SYNTHETIC = (
    "english_letters",
    "digit_strings",
    "commands",
    "digits_alike",
    "digits",
    "spelling",
    "english",
    "english_small",
)
SOURCES = {name: [] for name in SYNTHETIC} | {"sentences": ["data.sentences=somewhere.yaml"]}
FSDD = REPOSITORY / "recipes" / "fsdd.yaml"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_fits_the_schema_and_begins_with_its_command(path):
    loaded = recipe.load(path, SOURCES.get(path.stem, ["data.source=somewhere"]))
    assert loaded.name == path.stem
    assert path.read_text().startswith(f"# asr-train recipes/{path.name}")
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(recipe.schema()))
    jsonschema.validate(loaded.to_dict(), json.loads(recipe.schema()))


def test_the_schema_in_the_repository_is_current():
    assert (REPOSITORY / "recipes" / "schema.json").read_text() == recipe.schema(), (
        "asr-train --schema > recipes/schema.json"
    )


def test_the_schema_refuses_what_the_loader_refuses():
    schema = json.loads(recipe.schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    good = yaml.safe_load(FSDD.read_text())
    for section, key, value in (("train", "epoch", 5), ("train", "epochs", "many"), ("features", "mean", "always")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | {section: {key: value}}, schema)
    assert schema["$defs"]["TrainConfig"]["properties"]["epochs"]["description"] == "Passes over the training split."


def test_english_letters_has_27_outputs_and_phrases_have_28():
    from asr.text import Tokenizer

    for path in RECIPES:
        loaded = recipe.load(path, SOURCES.get(path.stem, ["data.source=somewhere"]))
        if loaded.task != "ctc" or loaded.data.prepare.endswith("corpora.py"):  # public corpora: each has its own size
            continue
        phrases, english = (
            ("an4", "digit_strings", "spelling", "wake_words"),
            ("an4_large", "english", "english_small", "own_words", "sentences"),
        )
        expected = 28 if path.stem in phrases else 29 if path.stem in english else 27
        assert len(Tokenizer(loaded.text.alphabet)) == expected
        units = 128 if path.stem.endswith("_large") or path.stem in ("english", "sentences") else 40
        assert (loaded.model.hidden_size, loaded.model.num_layers, loaded.model.bidirectional) == (units, 2, True)


def test_overrides_are_checked_like_the_file():
    loaded = recipe.load(
        FSDD,
        [
            "data.source=there",
            "train.epochs=5",
            "model.hidden_size=80",
            "train.learning_rate=1e-3",
            "features.high_hz=3500",
            "run_dir=here",
            "data.held_out_speaker=theo",
        ],
    )
    assert (loaded.train.epochs, loaded.model.hidden_size, loaded.train.learning_rate) == (5, 80, 1e-3)
    assert (loaded.features.high_hz, loaded.run_dir) == (3500.0, "here")
    assert loaded.data.settings == {"source": "there", "held_out_speaker": "theo", "label": "digit", "download": False}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.epoch=5", "unknown setting train.epoch; did you mean train.epochs?"),
        ("epochs=5", "unknown setting epochs; did you mean train.epochs?"),
        ("data.sauce=x", "unknown setting data.sauce; did you mean data.source?"),
        ("trian.epochs=5", "did you mean train.epochs?"),
        ("train.epochs=many", "train.epochs: input should be a valid integer"),
        ("train.epochs=2.5", "train.epochs"),
        ("train.epochs=0", "train.epochs must be above 0, not 0"),
        ("model.dropout=1.5", "model.dropout must be in"),
        ("features.mean=always", "features.mean: input should be 'none', 'utterance', 'corpus' or 'speech'"),
        ("features.low_hz=5000", "half the sample rate"),
        ("train=5", "train must hold settings"),
        ("train.epochs", "key=value"),
        ("augmnet={}", "unknown setting augmnet"),
        ("train.learning_rate=.nan", "train.learning_rate must be finite"),
        ("recognition.vtln_warps=[1, nan]", "recognition.vtln_warps.1 must be finite, not nan"),
        ("train.epochs=.inf", "train.epochs must be finite, not inf"),
        ("features.hop_ms=0.01", "at least one sample"),
        ("text.alphabet=ab.", "share characters"),
        ("augment.join=0", "augment.join must be at least 1, not 0"),
        ("augment.trim_db=5", "augment.trim_db must be above 6, not 5"),
        ("augment.clip_probability=2", "augment.clip_probability must be at most 1, not 2"),
        ("augment.gate_probability=2", "augment.gate_probability must be at most 1, not 2"),
        ("name.x=1", "name is a setting, not a section"),
        ("data.prepare=gone.py", "no such script"),
    ],
)
def test_mistakes_are_one_sentence_that_names_the_key(override, said):
    with pytest.raises(UserError) as caught:
        recipe.load(FSDD, ["data.source=there", override])
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["nan", ".nan", "inf", "-inf", "-.inf", "Infinity", "1e999"])
def test_no_number_is_other_than_finite_however_it_is_written(number):
    kinds = recipe._SECTIONS.items()
    numbers = [f"{name}.{field.name}" for name, kind in kinds for field in fields(kind) if field.type is float]
    assert {"train.learning_rate", "train.warmup", "augment.jitter", "model.dropout"} < set(numbers)
    for key in [*numbers, "data.dev_share"]:
        with pytest.raises(UserError, match=re.escape(f"yaml: {key} must be finite, not ")):
            recipe.load(FSDD.with_name("wake_words.yaml"), ["data.source=there", f"{key}={number}"])
    assert recipe.load(FSDD, ["data.source=there", f"data.held_out_speaker={number}", f"name={number}"]).name == number


def test_text_is_taken_as_it_stands():
    loaded = recipe.load(FSDD, ["data.source=1", "text.alphabet=no ", "run_dir=2026-01-01"])
    assert (loaded.text.alphabet, loaded.data.settings["source"], loaded.run_dir) == ("no ", "1", "2026-01-01")
    commands = FSDD.with_name("commands.yaml")
    loaded = recipe.load(commands, ["data.pronunciations=three=T*'i:", "data.also_words=", "data.words=1: yes"])
    assert [loaded.data.settings[name] for name in ("pronunciations", "also_words", "words")] == [
        "three=T*'i:",
        "",
        "1: yes",
    ]
    assert loaded.data.settings["also_per_word"] == 400


def test_sound_is_not_augmented_where_there_is_none():
    with pytest.raises(UserError, match="precomputed"):
        recipe.load(FSDD, ["data.source=x", "features.source=precomputed"])


def test_joined_utterances_need_a_space_between_them():
    with pytest.raises(UserError, match=r"augment\.join .* text\.alphabet"):
        recipe.load(FSDD, ["data.source=x", "augment.join=2"])
    assert recipe.load(FSDD, ["data.source=x", "augment.join=2", "text.alphabet=a "]).augment.join == 2


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("train: {epochs: 3}\ntrain: {epochs: 4}\n")
    with pytest.raises(UserError, match="train stands there twice"):
        recipe.load(path)


def test_a_prepare_without_annotations_is_enough(tmp_path):
    (tmp_path / "p.py").write_text("def prepare(folder, source, number=3, **more): ...\n")
    (tmp_path / "x.yaml").write_text("data: {prepare: p.py, folder: f, source: s}\n")
    assert recipe.load(tmp_path / "x.yaml").data.settings == {"source": "s", "number": 3}
    with pytest.raises(UserError, match=r"data\.number must be finite"):
        recipe.load(tmp_path / "x.yaml", ["data.number=.nan"])


def test_a_missing_source_says_what_to_do():
    with pytest.raises(UserError, match=r"data\.source is missing; .*data\.source=FOLDER"):
        recipe.load(FSDD)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "", "data: 3", "data: {prepare: x.py}"])
def test_files_that_are_no_recipes_are_named(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"x\.yaml"):
        recipe.load(path)
    with pytest.raises(UserError, match="no such recipe"):
        recipe.load(tmp_path / "gone.yaml")


def test_saving_then_loading_is_identity(tmp_path):
    loaded = recipe.load(FSDD, ["data.source=there", "train.epochs=7"])
    recipe.save(loaded, tmp_path / "recipe.yaml", prepare=str(REPOSITORY / "recipes" / "prepare" / "fsdd.py"))
    again = recipe.load(tmp_path / "recipe.yaml")
    assert again.to_dict() | {"data": None} == loaded.to_dict() | {"data": None}
    assert again.data.settings == loaded.data.settings
    (tmp_path / "p.py").write_text("from pathlib import Path\n\n\ndef prepare(folder, source: Path): ...\n")
    (tmp_path / "x.yaml").write_text("data: {prepare: p.py, folder: f, source: there}\n")
    of_path = recipe.load(tmp_path / "x.yaml")
    assert json.loads(json.dumps(of_path.to_dict()))["data"]["source"] == "there", "as the model file holds it"
    recipe.save(of_path, tmp_path / "recipe.yaml", prepare="p.py")
    assert recipe.load(tmp_path / "recipe.yaml").data.settings == of_path.data.settings == {"source": Path("there")}


class TestExtends:
    def write(self, folder, **texts):
        for name, text in texts.items():
            path = folder / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder / "mine.yaml"

    @pytest.fixture
    def prepare(self, tmp_path):
        script = tmp_path / "scripts" / "prepare.py"
        script.parent.mkdir()
        script.write_text(
            "from asr.data.corpus import Splits\n\n\ndef prepare(folder, takes: int = 1):\n    return Splits()\n"
        )
        return script

    def test_sections_are_merged_and_the_nearer_file_wins(self, tmp_path, prepare):
        path = self.write(
            tmp_path,
            mine="extends: front_ends/a.yaml\nfeatures:\n  stack: 3\ntext:\n",
            front_ends__a="extends: deeper/b.yaml\nfeatures:\n  stack: 2\n  deltas: 1\n",
            front_ends__deeper__b="data: {prepare: ../../scripts/prepare.py, folder: x, takes: 4}\n"
            "features: {num_filters: 17, deltas: 2}\ntext: {alphabet: ab}\n",
        )
        loaded = recipe.load(path, ["features.lifter=0"])
        features = loaded.features
        assert (features.stack, features.deltas, features.num_filters, features.lifter) == (3, 1, 17, 0)
        assert (loaded.name, loaded.text.alphabet, loaded.data.settings) == ("mine", "ab", {"takes": 4})
        assert (tmp_path / loaded.data.prepare).resolve() == prepare.resolve()
        assert "extends" not in loaded.to_dict()

    @pytest.mark.parametrize(
        ("base", "message"),
        [
            ("features: {stak: 2}", r"base\.yaml: unknown setting features\.stak"),
            ("features: {stack: two}", r"base\.yaml: features\.stack"),
            ("features: {stack: 0}", r"base\.yaml: features\.stack must be above 0"),
            ("features: [", r"base\.yaml: not YAML"),
            ("- a", r"base\.yaml: a recipe is a mapping"),
            (
                "extends: mine.yaml",
                r"base\.yaml: extends mine\.yaml, which extends it in turn: .*mine.* -> .*base.* -> ",
            ),
            ("extends: base.yaml", r"base\.yaml: extends base\.yaml, which"),
            ("extends: other.yaml", r"other\.yaml: no such recipe, which .*base\.yaml extends"),
            ("extends: [a]", r"base\.yaml: extends must be the path of one recipe"),
        ],
    )
    def test_mistakes_name_the_file_that_they_are_in(self, tmp_path, prepare, base, message):
        data = "data: {prepare: scripts/prepare.py, folder: x}\n"
        path = self.write(tmp_path, mine="extends: base.yaml\n" + data, base=base)
        with pytest.raises(UserError, match=message):
            recipe.load(path)

    def test_an_override_is_no_mistake_of_the_file_that_it_overrides(self, tmp_path, prepare):
        data = "data: {prepare: scripts/prepare.py, folder: x}\n"
        path = self.write(tmp_path, mine="extends: base.yaml\n" + data, base="features: {stack: 2}")
        with pytest.raises(UserError, match=r"mine\.yaml: features\.stack"):
            recipe.load(path, ["features.stack=0"])

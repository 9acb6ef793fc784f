"""Everything but training works without PyTorch and what training needs: the first install is a small one."""

import subprocess
import sys

BLOCKED = ("torch", "onnx", "pydantic", "tensorboard", "tqdm", "matplotlib")
CODE = """
import importlib, sys
for name in {blocked!r}:
    sys.modules[name] = None
for module, *arguments in {commands!r}:
    sys.argv = ["asr", *arguments]
    try:
        importlib.import_module(f"asr.cli.{{module}}").main()
    except SystemExit as end:
        print(module, end.code, flush=True)
"""


def test_commands_without_training_s_packages(tmp_path, tones, tones_run):
    model, dev = str(tones_run[0]), str(tones / "dev.jsonl")
    sound = str(next((tones).rglob("*.wav")))
    (tmp_path / "a.trn").write_text("a b (1)\n")
    works = [
        ("transcribe", "--model", model, sound),
        ("evaluate", model, dev),
        ("score", str(tmp_path / "a.trn"), str(tmp_path / "a.trn"), "--html", str(tmp_path / "a.html")),
        ("align", model, sound, "abc"),
        ("info", model),
        ("check", dev),
        ("explain", sound, "--model", model, "--expected", "abc"),
        ("manifest", "convert", dev, str(tmp_path / "kaldi"), "--to", "kaldi"),
        ("lm", str(tmp_path / "a.trn"), "-o", str(tmp_path / "a.arpa"), "--order", "1"),
    ]
    refused = [
        ("train", "recipe.yaml"),
        ("plot", sound, str(tmp_path / "a.png"), "--model", model),
        ("report", model),
    ]
    code = CODE.format(blocked=BLOCKED, commands=[*works, *refused])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ends = dict(line.split() for line in done.stdout.splitlines() if line.split()[:1] and line.split()[0] in NAMES)
    assert {name: ends.get(name) for name, *_ in works} == {name: "0" for name, *_ in works}, done.stderr
    assert {name: ends.get(name) for name, *_ in refused} == {name: "2" for name, *_ in refused}, done.stderr
    assert "pip install" in done.stderr and "Traceback" not in done.stderr


NAMES = frozenset("transcribe evaluate score align info check explain manifest lm train plot report".split())

"""Which file a model is in: a run's folder, the newest run, a model that comes with the package."""

from pathlib import Path

from asr.modelfile.card import ModelError

SHIPPED = Path(__file__).parents[1] / "models" / "digits.onnx"
MODEL_FILE = "model.onnx"


def model_file(model: str | Path) -> Path:
    """The model in a run's folder, the file itself, or the model of that name that comes with the package.

    Raises ModelError where there is none.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        path = path / MODEL_FILE
    elif not path.exists() and str(model) in shipped_names():
        path = SHIPPED.with_name(f"{model}.onnx")
    if not path.exists():
        raise ModelError(
            f"{path}: no such model: name a .onnx file, a run's folder, or a model that comes with the package "
            f"({', '.join(shipped_names())})"
        )
    return path


def shipped_names() -> list[str]:
    """The names of the models that come with the package, as `--model` takes them."""
    return sorted(path.stem for path in SHIPPED.parent.glob("*.onnx"))


def newest_model(folder: Path) -> Path | None:
    """The model of the newest run in `runs/` of a folder: runs/NAME/model.onnx or runs/RECIPE/TIME/model.onnx.

    The folder of a run holds metrics.jsonl beside the model.
    """
    found = [
        path
        for pattern in ("*", "*/*")
        for path in (folder / "runs").glob(f"{pattern}/{MODEL_FILE}")
        if (path.parent / "metrics.jsonl").is_file()
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)

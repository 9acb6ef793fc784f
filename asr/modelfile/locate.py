"""Which file a model is in: a run's folder, the newest run, the model that comes with the package."""

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "models" / "digits.onnx"
MODEL_FILE = "model.onnx"


def model_file(path: str | Path) -> Path:
    """The model in a run's folder, or the file itself."""
    return Path(path) / MODEL_FILE if Path(path).is_dir() else Path(path)


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

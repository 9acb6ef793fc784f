"""What a server is told: where it listens, which models it has, and how much it takes on."""

from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import UserError


@dataclass(frozen=True)
class Limits:
    """What is refused, so that nobody can stop the server for the others."""

    max_mb: float = 100.0
    """Of a file: 413."""
    max_seconds: float = 3600.0
    """Of a file's sound: 413."""
    max_waiting: int = 64
    """Requests for a recording that wait for a core: 429."""
    max_streams: int = 100
    """Open connections of live sound."""
    idle_s: float = 60.0
    """A stream that sends nothing for so long is closed."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise UserError(f"{name} must be above 0, not {value:g}")


@dataclass(frozen=True)
class RecordConfig:
    """Where one's own words are recorded, and how a model is trained on them."""

    folder: Path
    recipe: Path | None = None
    """None: recipes/own_words.yaml of this package's repository."""
    settings: tuple[str, ...] = ()
    """key=value: settings of the recipe, as asr-train takes them."""


@dataclass(frozen=True)
class ServeConfig:
    """The settings of `asr-serve`."""

    models: dict[str, Path]
    """By the name that requests give; the first is the default."""
    host: str = "127.0.0.1"
    port: int = 8080
    wyoming_port: int | None = None
    """None: without Wyoming."""
    token: str | None = None
    """What requests must send as bearer token; None: nothing."""
    threads: int = 2
    """How many recordings and blocks are recognised at once."""
    limits: Limits = field(default_factory=Limits)
    record: RecordConfig | None = None
    """None: the page records nothing that is kept."""


def named_models(given: list[str], default: Path) -> dict[str, Path]:
    """NAME=PATH or PATH of each model -> paths by name: that of the file, or of a run's folder.

    Raises UserError where two have one name.
    """
    models: dict[str, Path] = {}
    for text in given or [str(default)]:
        name, separator, path = text.partition("=")
        if not separator:
            name, path = "", text
        name = name or (Path(path).stem if Path(path).suffix == ".onnx" else Path(path).name)
        if name in models:
            raise UserError(f"--model {text}: another model is called {name}; name it: --model OTHER={path}")
        models[name] = Path(path)
    return models

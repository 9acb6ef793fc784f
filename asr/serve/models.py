"""Models by name: loaded once, loaded again when their file is replaced, while requests go on with what they have."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from asr.decode.decoder import DecoderConfig
from asr.errors import UserError
from asr.modelfile.locate import model_file
from asr.recognition.recognizer import Recognizer

_logger = logging.getLogger(__name__)
_State = tuple[int, int, int]
_AWAY = (0, 0, 0)


class UnknownModelError(UserError):
    """A name that no model has."""


class Models:
    """Recognisers by name. A request keeps the recogniser that it was given, so that a replaced file loses none."""

    def __init__(self, paths: Mapping[str, Path], decoding: DecoderConfig | None = None) -> None:
        """Load all of them; raises UserError where one cannot be."""
        self._paths = dict(paths)
        self._decoding: dict[str, DecoderConfig | None] = dict.fromkeys(paths, decoding)
        self._lock = threading.Lock()
        self._loaded: dict[str, tuple[_State, Recognizer]] = {}
        for name in self._paths:
            self._loaded[name] = self._load(name)

    def add(self, name: str, path: Path, decoding: DecoderConfig | None = None) -> None:
        """Another model, or another file for a name. Raises UserError where it cannot be loaded."""
        state = _state(path, _AWAY)
        recognizer = Recognizer.load(path, decoding=decoding)
        with self._lock:
            self._loaded[name] = state, recognizer
            self._paths[name], self._decoding[name] = path, decoding

    @property
    def names(self) -> list[str]:
        """Of all models, the default first."""
        return list(self._paths)

    def modified_s(self, name: str) -> int:
        """When the file of a model was written, in seconds since 1970."""
        return self._loaded[name][0][0] // 10**9

    def get(self, name: str | None = None) -> Recognizer:
        """The recogniser of a name, None: the default; of a file that was replaced, the new one.

        A new file that cannot be loaded is named in the log, and the model stays what it was. Raises UnknownModelError.
        """
        if name is None:
            name = self.names[0]
        if name not in self._paths:
            raise UnknownModelError(f"there is no model {name!r}; there are {', '.join(self.names)}")
        state, recognizer = self._loaded[name]
        found = _state(self._paths[name], state)  # before it is read: what replaces it meanwhile is another
        if found == state or not self._lock.acquire(blocking=False):
            return recognizer
        try:
            self._loaded[name] = self._load(name)
            _logger.info("model %s: loaded again", name)
        except UserError as error:
            self._loaded[name] = found, recognizer
            _logger.warning("model %s: stays what it was: %s", name, error)
        finally:
            self._lock.release()
        return self._loaded[name][1]

    def _load(self, name: str) -> tuple[_State, Recognizer]:
        path = self._paths[name]
        state = _state(path, _AWAY)  # before it is read: what is replaced meanwhile is read again
        return state, Recognizer.load(path, decoding=self._decoding[name])


def _state(path: Path, otherwise: _State) -> _State:
    """What changes with the file; while it is away, what it was."""
    try:
        found = model_file(path).stat()
    except (OSError, UserError):
        return otherwise
    return found.st_mtime_ns, found.st_size, found.st_ino

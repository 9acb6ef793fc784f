"""Archives of public corpora: downloaded with progress, resumed where they broke off, checked, unpacked."""

import hashlib
import logging
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from asr.errors import UserError

_BLOCK = 1 << 20
_PROGRESS_S = 10.0

logger = logging.getLogger("asr.data")


class Archive(NamedTuple):
    """A file to download; `digest` is "sha256:..." or "md5:...", or empty where nobody has published one."""

    url: str
    digest: str = ""

    @property
    def name(self) -> str:
        """Of its file."""
        return self.url.rpartition("/")[2]


def fetch(archives: Sequence[Archive], root: Path, licence: str) -> None:
    """Download and unpack archives into `root`, unless they were unpacked there before; `licence` is logged first.

    A download that broke off goes on where it stopped. Raises UserError for what cannot be had or is not what was
    published.
    """
    root.mkdir(parents=True, exist_ok=True)
    logger.info("licence: %s", licence)
    for archive in archives:
        done = root / f".{archive.name}.unpacked"
        if done.exists():
            continue
        path = root / archive.name
        if not path.is_file():
            _download(archive, path)
        _unpack(path, root)
        done.touch()
        path.unlink()


def _download(archive: Archive, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            is_rest = answer.status == 206
            total = int(answer.headers.get("Content-Length", 0)) + (start if is_rest else 0)
            with part.open("ab" if is_rest else "wb") as file:
                _copy(answer, file, archive.name, start if is_rest else 0, total)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing is left of it: it is there, whole
            raise UserError(f"{archive.url}: {error.code} {error.reason}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"{archive.url}: {reason}; the same command goes on where it stopped") from None
    _check(archive, part)
    part.replace(path)


def _copy(answer: object, file: object, name: str, done: int, total: int) -> None:
    told = time.monotonic()
    while block := answer.read(_BLOCK):  # type: ignore[attr-defined]
        file.write(block)  # type: ignore[attr-defined]
        done += len(block)
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            share = f" of {total >> 20} MiB, {done / total:.0%}" if total else ""
            logger.info("%s: %d MiB%s", name, done >> 20, share)
    if total and done < total:
        raise UserError(f"{name}: broke off at {done} of {total} bytes; the same command goes on where it stopped")


def _check(archive: Archive, part: Path) -> None:
    if not archive.digest:
        logger.info("%s: no published checksum to compare it with", archive.name)
        return
    kind, _, wanted = archive.digest.partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != wanted:
        part.unlink()
        raise UserError(f"{archive.url}: is not what was published: its {kind} is {found}, not {wanted}; removed")


def _unpack(path: Path, root: Path) -> None:
    """Nothing is written outside `root`: see tarfile's filter `data`; zipfile strips what leads out."""
    logger.info("unpacking %s", path.name)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                packed.extractall(root)
        else:
            with tarfile.open(path) as packed_tar:
                packed_tar.extractall(root, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path}: damaged: {error}") from None

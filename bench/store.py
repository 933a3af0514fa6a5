"""The content-addressed store: artifacts of tensors and JSON, written whole or not at all, verified on every read."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save
from torch import Tensor

from bench import canonical
from bench.errors import CorruptArtifact

FORMAT = 1
"""Version of the layout below."""

MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
PACKED = "tensors.safetensors.xz"
"""In place of ``TENSORS`` where an artifact is packed: the same bytes, so the same digest, compressed."""


MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What says that an artifact's file is not there. Any other trouble of reading may pass, and takes nothing away."""


@dataclass(frozen=True)
class Artifact:
    """A finished piece of work.

    ``key`` names the recipe it was made by, ``digest`` what came out (tensors and ``meta``, not ``provenance``);
    ``inputs`` maps the name of each input to the digest it had.
    """

    path: Path
    stage: str
    key: str
    digest: str
    meta: Mapping[str, Any]
    inputs: Mapping[str, str]
    provenance: Mapping[str, Any]
    checksum: str

    def tensors(self) -> dict[str, Tensor]:
        """Read the tensors; raises ``CorruptArtifact`` where the file is not the one that was there before."""
        return load(verified_tensors(self.path, self.checksum))


def read_artifact(path: Path) -> Artifact:
    """Read and verify the artifact in the folder ``path``.

    Raises ``CorruptArtifact`` that names the file which is missing or not what was written, and ``OSError`` where it
    cannot be read, which says nothing of what is in it.
    """
    file = path / MANIFEST
    try:
        written = file.read_bytes()
        manifest = json.loads(written)
        if rendered(manifest) != written:
            raise CorruptArtifact(f"{file}: its bytes are not those that were written")
        checksum = manifest.pop("checksum")
        if canonical.digest(manifest) != checksum:
            raise CorruptArtifact(f"{file}: its bytes are not those that were written")
        if manifest["format"] != FORMAT:
            raise CorruptArtifact(f"{file}: has format {manifest['format']}, this version reads {FORMAT}")
        verified_tensors(path, manifest["tensors"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CorruptArtifact(f"{file}: not a manifest: {error}") from None
    except MISSING as error:
        raise CorruptArtifact(f"{file}: {error.strerror}") from None
    return Artifact(
        path,
        manifest["stage"],
        manifest["key"],
        content_digest(manifest["tensors"], manifest["meta"]),
        manifest["meta"],
        manifest["inputs"],
        manifest["provenance"],
        manifest["tensors"],
    )


def verified_tensors(path: Path, checksum: str) -> bytes:
    """Return the bytes of the tensors in the folder ``path``, packed or not, whose sha256 is ``checksum``.

    Raises ``CorruptArtifact`` that names the file which is missing or not what was written, and ``OSError``.
    """
    packed = (path / PACKED).exists()
    file = path / (PACKED if packed else TENSORS)
    try:
        data = file.read_bytes()
        if packed:
            data = lzma.decompress(data, format=lzma.FORMAT_XZ)
    except MISSING as error:
        raise CorruptArtifact(f"{file}: {error.strerror}") from None
    except lzma.LZMAError:
        raise CorruptArtifact(f"{file}: its bytes are not those that were written") from None
    if hashlib.sha256(data).hexdigest() != checksum:
        raise CorruptArtifact(f"{file}: its bytes are not those that were written")
    return data


def pack(path: Path) -> None:
    """Compress the tensors of the artifact in the folder ``path``; its key and its digest stay."""
    if (path / TENSORS).exists():
        write_file(path / PACKED, lzma.compress((path / TENSORS).read_bytes()))
        (path / TENSORS).unlink()


def content_digest(tensors: str, meta: Mapping[str, Any]) -> str:
    """Return the digest of an artifact's content: the sha256 of its tensor file and its ``meta``."""
    return canonical.digest({"tensors": tensors, "meta": meta})


class Store:
    """A folder of artifacts, ``<stage>/<key>/``, that several processes may use at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: str, key: str) -> Path:
        """Return the folder of an artifact, whether it exists or not."""
        return self.root / stage / key

    def holds(self, filename: object) -> bool:
        """Return whether what an ``OSError`` names as its file lies in the store."""
        return isinstance(filename, str) and Path(filename).absolute().is_relative_to(self.root.absolute())

    def find(self, stage: str, key: str) -> Artifact | None:
        """Return the verified artifact, ``None`` where there is none; raises ``CorruptArtifact``."""
        path = self.path(stage, key)
        if not path.exists():
            return None
        artifact = read_artifact(path)
        if (artifact.stage, artifact.key) != (stage, key):
            raise CorruptArtifact(f"{path / MANIFEST}: holds {artifact.stage}/{artifact.key}")
        return artifact

    def discard(self, stage: str, key: str) -> None:
        """Remove an artifact, if there is one: out of the way in one rename, so that no reader finds half of it."""
        path = self.path(stage, key)
        aside = path.with_name(f"{key}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):
            path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the one lock of ``key`` and yield whether it is held: without ``wait`` not where another process has it.

        It goes when the process ends, however it ends.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{key}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
        else:
            try:
                yield True
            finally:
                lock.release()

    def write(
        self,
        stage: str,
        key: str,
        *,
        meta: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        inputs: Mapping[str, str],
        provenance: Mapping[str, Any],
    ) -> Artifact:
        """Write an artifact and return it; the caller holds the lock of ``key``.

        It appears in one rename, in place of an earlier one; a process killed before leaves only a ``.partial``
        folder, which the next write of the same key removes.
        """
        path = self.path(stage, key)
        partial = path.with_name(f"{key}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            data = save({name: plain(tensor) for name, tensor in tensors.items()})
            write_file(partial / TENSORS, data)
            manifest: dict[str, Any] = {
                "format": FORMAT,
                "stage": stage,
                "key": key,
                "meta": dict(meta),
                "tensors": hashlib.sha256(data).hexdigest(),
                "inputs": dict(inputs),
                "provenance": dict(provenance),
            }
            manifest = json.loads(canonical.encode(manifest))
            manifest["checksum"] = canonical.digest(manifest)
            write_file(partial / MANIFEST, rendered(manifest))
            self.discard(stage, key)
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return read_artifact(path)


def rendered(manifest: Mapping[str, Any]) -> bytes:
    """Return the bytes of a manifest's file: JSON that people can read, in the order of the keys given."""
    return json.dumps(manifest, indent=1, ensure_ascii=False).encode()


def plain(tensor: Tensor) -> Tensor:
    """Return a copy of a tensor on the CPU in the standard layout, sharing memory with no other."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it holds ``data`` or does not exist: to a neighbour, flushed, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk does not say where
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

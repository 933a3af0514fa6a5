"""CIFAR-10 and CIFAR-100 as torchvision keeps them: pickled batches, opened only where their md5 is torchvision's."""

from __future__ import annotations

import pickle
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import files, keras_npz
from bench.data.download import Remote
from bench.data.in_folder import Found, Kept, Packed, Place
from bench.data.keras_npz import Layout
from bench.data.location import fetch_command
from bench.errors import DataInvalid

_STORED = (3, 32, 32)  # channels, rows, columns: how a row of a batch is one image


@dataclass(frozen=True)
class Batches:
    """The batches of one of the two, by split; ``family`` is torchvision's class of it.

    ``labels`` is the key of the labels in a batch.
    """

    family: str
    folder: str
    archive: str
    names: Mapping[str, tuple[str, ...]]
    labels: str

    def kept(self, layout: Layout) -> Kept:
        """Return how the data set is kept: as a folder of batches, or as the archive that is unpacked to it."""

        def read(data_dir: Path) -> Found:
            return Found(self._read(data_dir / self.folder, layout), official=True)

        packed = Packed(self.archive, lambda data_dir: self._unpack(data_dir, layout))
        return Kept(layout, (Place(self.folder, self._there, read),), self.remotes, packed)

    def remotes(self) -> tuple[Remote, ...]:
        """Return the archive on the net, as torchvision knows it."""
        known = self._torchvision()
        return (Remote((known.url,), PurePosixPath(self.archive), known.tgz_md5),)

    def _files(self) -> tuple[str, ...]:
        """Return the names of all batches."""
        return tuple(name for names in self.names.values() for name in names)

    def _there(self, data_dir: Path) -> bool:
        """Return whether the folder of batches is complete."""
        return all((data_dir / self.folder / name).exists() for name in self._files())

    def _torchvision(self) -> Any:
        """Return torchvision's class."""
        import torchvision.datasets  # noqa: PLC0415  slow to import

        return getattr(torchvision.datasets, self.family)

    def _md5s(self) -> dict[str, str]:
        """Return the md5 of each batch."""
        known = self._torchvision()
        return dict((*known.train_list, *known.test_list))

    def _read(self, folder: Path, layout: Layout) -> dict[str, NDArray[Any]]:
        """Return the arrays of the batches, in their order, checked."""
        md5s = self._md5s()
        mend = f"delete {folder} and run: {fetch_command(layout.name, folder.parent)}"
        arrays: dict[str, NDArray[Any]] = {}
        for split, names in self.names.items():
            batches = [_opened(folder / name, md5s[name], mend) for name in names]
            images = np.empty((sum(len(batch["data"]) for batch in batches), *layout.image), np.uint8)
            np.concatenate([batch["data"].reshape(-1, *_STORED).transpose(0, 2, 3, 1) for batch in batches], out=images)
            arrays[f"x_{split}"] = images
            arrays[f"y_{split}"] = np.concatenate([batch[self.labels] for batch in batches])
        keras_npz.check(arrays, layout, folder, mend)
        return arrays

    def _unpack(self, data_dir: Path, layout: Layout) -> None:
        """Write the batches of the archive to their folder; no other member of it is looked at.

        Raises ``DataInvalid`` where it is not whole or its batches are not torchvision's, ``DataMissing`` where the
        folder cannot be written.
        """
        archive, folder = data_dir / self.archive, data_dir / self.folder
        mend = f"delete it and run: {fetch_command(layout.name, data_dir)}"
        wanted = {f"{self.folder}/{name}": folder / name for name in self._files()}
        md5s = self._md5s()
        try:
            with files.readable(archive), tarfile.open(archive, "r:gz") as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() and member.name in wanted else None
                    if file is not None:
                        path, content = wanted.pop(member.name), file.read()
                        files.check(f"{archive}: {member.name}", files.md5(content), md5s[path.name], mend)
                        files.put(path, content)
        except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
            raise DataInvalid(f"{archive}: not a whole archive: {' '.join(str(error).split())}; {mend}") from None
        if wanted:
            raise DataInvalid(f"{archive}: has no file {next(iter(wanted))}; {mend}")


def _opened(path: Path, md5: str, mend: str) -> Mapping[str, Any]:
    """Return a batch; raise ``DataInvalid``, and leave the pickle unopened, where the file is not torchvision's."""
    content = files.official(path, md5, mend)
    batch: Mapping[str, Any] = pickle.loads(content, encoding="latin1")  # noqa: S301  the bytes are known
    return batch

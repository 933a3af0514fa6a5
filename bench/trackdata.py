"""A track's data: its data sets brought together, limited and checked against what the track says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from bench import data
from bench.data.dataset import Dataset
from bench.data.download import Fetcher
from bench.data.location import Location
from bench.errors import DataInvalid, DataUnreadable
from bench.records import DataOrigin
from bench.tracks import Track
from defenses.base import LabelledImages


@dataclass(frozen=True)
class TrackData:
    """What a track trains, validates and tests on. Images are float32 ``(N, C, H, W)`` in [0, 1]."""

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    out_train: Tensor
    out_tests: Mapping[str, Tensor]
    origins: Mapping[str, DataOrigin]
    share: float  # of the test images that a limit leaves, 0 .. 1
    left_out: Mapping[str, str] = field(default_factory=dict)  # near tests whose data are invalid -> why

    def of_share(self, images: int | None) -> int | None:
        """Return how many of so many test images a limited run takes: as large a share as of all of them, and one."""
        return None if images is None else max(1, round(self.share * images))

    def classes_left_out(self, classes: int) -> list[int]:
        """Return those of so many classes of which no training, or no validation, image is at hand."""
        both = {*self.train.labels.tolist()} & {*self.validation.labels.tolist()}
        return [label for label in range(classes) if label not in both]

    def tested(self, track: Track) -> Track:
        """Return the track whose out-distribution tests are those that these data have, near ones among the others."""
        return replace(track, out_tests=tuple(self.out_tests), near_tests=())


def assemble(track: Track, data_dir: Path, limit: int | None, *, fetcher: Fetcher | None = None) -> TrackData:
    """Load a track's data sets; keep the first ``limit`` images of every split; ``fetcher`` may get what is missing.

    Of the near out-distribution tests those are loaded that the folder has; ``TrackData.left_out`` names the invalid
    ones. Raises ``DataMissing`` where another data set is not at hand, ``DataInvalid`` where one is not what the track
    says.
    """
    names = dict.fromkeys((track.dataset, track.out_train, *track.out_tests))
    sets = {name: data.load(name, data_dir, fetcher=fetcher) for name in names}
    near, left_out = near_sets(track, data_dir, fetcher)
    sets |= near

    def split(dataset: str, name: str) -> LabelledImages:
        found = fitting_split(track, sets[dataset], name)
        return LabelledImages(found.images[:limit], found.labels[:limit])

    labelled = {name: split(track.dataset, name) for name in ("train", "validation", "test")}
    for name, images in labelled.items():
        if int(images.labels.max()) >= track.classes:
            raise DataInvalid(f"{track.dataset}: {name} has label {int(images.labels.max())}, '{track.name}' has 0 to "
                              f"{track.classes - 1}; put the right data set in its place")  # fmt: skip
    return TrackData(
        **labelled,
        out_train=split(track.out_train, "train").images,
        out_tests={name: split(name, "test").images for name in (*track.out_tests, *near)},
        share=len(labelled["test"]) / len(sets[track.dataset].splits["test"]),
        origins={n: DataOrigin(digest=s.digest, origin=s.origin, notes=s.notes) for n, s in sets.items()},
        left_out=left_out,
    )


def packed(track: Track, data_dir: Path) -> list[Location]:
    """Return where those of a track's data sets are that the data folder has as archives to be unpacked."""
    names = dict.fromkeys((track.dataset, track.out_train, *track.out_tests, *track.near_tests))
    return [place for place in (data.locate(name, data_dir) for name in names) if place.packed]


def near_sets(track: Track, data_dir: Path, fetcher: Fetcher | None) -> tuple[dict[str, Dataset], dict[str, str]]:
    """Return the near out-distribution test sets that the folder has, and of each invalid one why it is left out."""
    found, left_out = dict[str, Dataset](), dict[str, str]()
    for name in track.near_tests:
        if data.locate(name, data_dir).origin is None:
            continue
        try:
            dataset = data.load(name, data_dir, fetcher=fetcher)
            fitting_split(track, dataset, "test")
        except DataUnreadable:
            raise
        except DataInvalid as error:
            left_out[name] = str(error)
        else:
            found[name] = dataset
    return found, left_out


def fitting_split(track: Track, dataset: Dataset, name: str) -> LabelledImages:
    """Return a split of a data set whose images have the track's shape."""
    split = dataset.splits[name]
    shape = (track.channels, track.side, track.side)
    if tuple(split.images.shape[1:]) != shape:
        raise DataInvalid(
            f"{dataset.name}: {name} images are {tuple(split.images.shape[1:])}, track '{track.name}' takes {shape}; "
            "put the right data set in its place"
        )
    return split

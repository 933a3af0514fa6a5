"""The digits: the resampling against torch's, and fair splits."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

from bench.data import digits


def test_enlarging_is_torch_s_bilinear_in_a_black_frame() -> None:
    source = np.random.default_rng(0).integers(0, 17, (5, 8, 8)).astype(float)
    found = digits.enlarge(source)
    oracle = torch.nn.functional.interpolate(
        torch.from_numpy(source / 16)[:, None], size=(20, 20), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(found[:, :, 4:24, 4:24].double(), oracle, atol=1e-7, rtol=0)
    framed = found.clone()
    framed[:, :, 4:24, 4:24] = 0
    assert not framed.any()


def test_a_white_image_becomes_a_white_box() -> None:
    assert torch.equal(digits.enlarge(np.full((1, 8, 8), 16.0))[0, 0, 4:24, 4:24], torch.ones(20, 20))


def test_splits_share_out_every_image_once() -> None:
    splits = digits.load().splits
    assert {name: len(held) for name, held in splits.items()} == {"train": 1078, "validation": 359, "test": 360}
    assert len(splits["train"]) == digits.TRAIN_IMAGES
    found = torch.cat([held.images for held in splits.values()]).flatten(1)
    source = digits.enlarge(load_digits().images).flatten(1)
    assert sorted(map(bytes, found.numpy())) == sorted(map(bytes, source.numpy()))


def test_labels_stay_with_their_images() -> None:
    source = load_digits()
    images = digits.enlarge(source.images)
    known = {image.numpy().tobytes(): int(label) for image, label in zip(images, source.target, strict=True)}
    for held in digits.load().splits.values():
        assert [known[image.numpy().tobytes()] for image in held.images] == held.labels.tolist()


def test_splits_are_stratified() -> None:
    everything = np.bincount(load_digits().target)
    for name, share in {"train": 0.6, "validation": 0.2, "test": 0.2}.items():
        counts = torch.bincount(digits.load().splits[name].labels, minlength=10).numpy()
        assert np.abs(counts - share * everything).max() < 2


def test_the_first_of_a_split_are_a_sample_of_all_classes() -> None:
    for held in digits.load().splits.values():
        assert torch.bincount(held.labels[:100], minlength=10).min() >= 3

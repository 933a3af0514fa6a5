"""What training reaches on a device, measured on this machine's CPU and read from the profile of a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from defenses.base import Network
from leaderboard import device_page
from tests.speed import device

CONVOLUTIONS = "convolutions and matrix products"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("device")
    given = ["--out", str(out), "--device", "cpu", "--track", "digits", "--images", "64", "--epochs-timed", "2"]
    assert device.main(given) == 0
    return out


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "device-digits-cpu.json").read_text())
    return found


def test_the_figures_are_of_the_tracks_training_here(figures: dict[str, Any]) -> None:
    assert (figures["track"], figures["architecture"], figures["precision"]) == ("digits", "cuda_convnet", "float32")
    assert (figures["images"], figures["batch_size"], figures["machine"]["device"]) == (64, 32, "cpu")
    assert len(figures["epoch_seconds"]) == 2
    low, high = (64 / seconds for seconds in sorted(figures["epoch_seconds"], reverse=True))
    assert 0 < low <= figures["images_per_second"] <= high
    reached = figures["images_per_second"] * figures["flops_per_image"] / 1e12
    assert figures["tflops"] == pytest.approx(reached)
    assert figures["share_of_peak"] == pytest.approx(reached / figures["peak_tflops"])


def test_an_images_flops_are_those_counted_by_hand(figures: dict[str, Any]) -> None:
    # For each convolution 2·k·k·in·out·h·w; the poolings leave 14×14 and 7×7 of 28×28.
    forward = 2 * 5 * 5 * (1 * 32 * 28 * 28 + 32 * 32 * 14 * 14 + 32 * 64 * 7 * 7)
    # Backward is about twice that: gradients of the inputs and of the weights.
    assert figures["flops_per_image"] == pytest.approx(3 * forward, rel=0.05)


def test_the_shares_are_of_the_whole_time(figures: dict[str, Any]) -> None:
    assert sum(figures["shares"].values()) == pytest.approx(1, abs=1e-6)
    assert all(share > 0 for share in figures["shares"].values())
    assert figures["profiled_images"] == 64
    assert figures["idle"] is None


def test_the_page_names_the_largest_share(folder: Path, figures: dict[str, Any]) -> None:
    page = (folder / "device-digits-cpu.md").read_text()
    largest = max(figures["shares"], key=lambda part: figures["shares"][part])
    assert f"The largest part of it is **{largest}**" in page
    assert device_page.IDLE not in page


def test_what_is_compiled_is_timed_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: dict[str, Any]
) -> None:
    passes = 0

    def counted(network: Network) -> Network:
        # In place of the compiler, which is not at hand everywhere.
        def count(*_: object) -> None:
            nonlocal passes
            passes += 1

        network.register_forward_hook(count)
        return network

    monkeypatch.setattr(device, "under_compile", counted)
    given = ["--out", str(tmp_path), "--device", "cpu", "--track", "digits", "--images", "32", "--epochs-timed", "1"]
    assert device.main([*given, "--compile"]) == 0
    found = json.loads((tmp_path / "device-digits-cpu.json").read_text())
    assert passes == 2  # one batch in each of two epochs
    assert found["compiled_gain"] == found["epoch_seconds"][0] / found["compiled_epoch_seconds"][0]
    assert f" {found['compiled_gain']:.2f} |" in (tmp_path / "device-digits-cpu.md").read_text()
    assert figures["compiled_gain"] is None


def test_a_gpu_that_mostly_waits_is_bound_by_its_host(figures: dict[str, Any]) -> None:
    waiting = device_page.page(figures | {"idle": 0.9})
    assert f"The largest part of it is **{device_page.IDLE}**: 90.0 % of the wall time." in waiting
    assert f"The largest part of it is **{device_page.IDLE}**" not in device_page.page(figures | {"idle": 0.01})


def event(name: str, microseconds: float, above: object = None, kind: str = "CPU", *, named: bool = False) -> Any:
    return SimpleNamespace(
        name=name,
        self_device_time_total=microseconds,
        self_cpu_time_total=1.0,
        cpu_parent=above,
        device_type=SimpleNamespace(name=kind),
        is_user_annotation=named,
    )


def test_a_gpus_kernels_count_for_what_launched_them() -> None:
    step = event("Optimizer.step#AdamW.step", 16, named=True)
    host = [
        event("aten::cudnn_convolution", 40),
        event("aten::addmm", 10),
        event("aten::cudnn_batch_norm", 20),
        event("aten::max_pool2d_with_indices", 5),
        event("aten::clamp_min_", 5),
        step,
        event("aten::mul_", 15, above=event("aten::_foreach_mul_", 0, above=step)),
    ]
    # The kernels themselves, 2 of their 97 µs launched by nothing known, and the range over the optimizer's.
    gpu = [event("some_kernel", 97, kind="CUDA"), event(step.name, 16, kind="CUDA", named=True)]
    spent, total = device.by_part([*host, *gpu], on_gpu=True)
    assert total == pytest.approx(97e-6)
    microseconds = {part: seconds * 1e6 for part, seconds in spent.items()}
    wanted = {CONVOLUTIONS: 50, "normalisation": 20, "pooling": 5, "optimizer": 15, device_page.REST: 7}
    assert microseconds == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("aten::convolution_backward", CONVOLUTIONS),
        ("aten::mkldnn_convolution", CONVOLUTIONS),
        ("aten::mm", CONVOLUTIONS),
        ("aten::native_batch_norm_backward", "normalisation"),
        ("_NormaliseBackward", "normalisation"),
        ("aten::avg_pool2d_backward", "pooling"),
        ("aten::normal_", device_page.REST),
        ("aten::copy_", device_page.REST),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", device_page.REST),
    ],
)
def test_operations_are_told_apart_by_name(name: str, part: str) -> None:
    assert device.part_of(event(name, 0)) == part


def test_pooling_within_cuda_convnets_normalisation_is_normalisation() -> None:
    assert device.part_of(event("aten::avg_pool2d", 0, above=event("_Normalise", 0))) == "normalisation"
    assert device.part_of(event("aten::avg_pool2d", 0)) == "pooling"


@pytest.mark.parametrize("wrong", [["--images", "0"], ["--epochs-timed", "0"]])
def test_nothing_to_time_is_refused(tmp_path: Path, wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        device.main(["--out", str(tmp_path), "--device", "cpu", *wrong])

"""Scoring: the contract of a classifier's output, and exact float32."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bench.errors import BenchError, FitFailed
from bench.exact import exact
from bench.fitting import finite
from bench.scoring import score
from defenses.base import REJECT, RejectingClassifier

CPU = torch.device("cpu")
Outputs = tuple[Tensor, Tensor]


class Told(RejectingClassifier):
    """Returns what a function makes of the pixels ``(N, 2)``; notes the mode and the settings it meets."""

    def __init__(self, function: Callable[[Tensor], Outputs]) -> None:
        super().__init__()
        self.config = {}
        self.function = function
        self.dropout = nn.Dropout(0.5)
        self.met: list[tuple[bool, bool, bool, str, int]] = []

    def forward(self, x: Tensor) -> Outputs:
        settings = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        self.met.append((self.training, torch.is_grad_enabled(), *settings, len(x)))
        return self.function(x.flatten(1))


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 1, 1, 2, generator=torch.Generator().manual_seed(0))


def test_predictions_and_scores() -> None:
    x = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.6, 0.5]]).view(3, 1, 1, 2)
    scores = score(Told(lambda z: (z, z[:, 0] - 0.7)), x, CPU)
    assert scores.prediction.tolist() == [1, REJECT, 0]
    assert scores.prediction.dtype == torch.int64
    assert scores.reject_score.tolist() == pytest.approx([-0.6, 0.1, -0.1])
    assert scores.reject_score.dtype == torch.float32


def test_an_infinite_margin_does_not_exceed_the_largest_threshold() -> None:
    scores = score(Told(lambda z: (z, z.new_full((len(z),), torch.inf))), images(), CPU)
    assert (scores.prediction == REJECT).all()
    assert not (scores.reject_score > finite(torch.inf)).any()


def test_minus_infinity_is_a_margin() -> None:
    scores = score(Told(lambda z: (z, z.new_full((len(z),), -torch.inf))), images(), CPU)
    assert (scores.reject_score == -torch.inf).all()


def test_trap_7_scoring_runs_in_exact_float32_without_gradients_in_evaluation_mode() -> None:
    classifier = Told(lambda z: (z, z[:, 0])).train()
    classifier.dropout.eval()
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        scores = score(classifier, images(5), CPU, batch_size=2)
    assert classifier.met == [(False, False, False, "highest", size) for size in (2, 2, 1)]
    assert len(scores.prediction) == 5
    assert classifier.training
    assert not classifier.dropout.training


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (lambda z: (z[:, 0], z[:, 0]), r"class logits of shape \(3,\) for 3 images, must be \(N, K\)"),
        (lambda z: (z[:2], z[:, 0]), r"class logits of shape \(2, 2\) for 3 images"),
        (lambda z: (z[:, :0], z[:, 0]), r"class logits of shape \(3, 0\)"),
        (lambda z: (z, z), r"reject margins of shape \(3, 2\) for 3 images, must be \(N,\)"),
        (lambda z: (z, z[:, 0] > 0), "class logits of torch.float32 and reject margins of torch.bool, must be floats"),
        (lambda z: (z.long(), z[:, 0]), "class logits of torch.int64 and reject margins of torch.float32, must be"),
        (lambda z: (z / 0, z[:, 0]), "class logits that are not finite"),
        (lambda z: (z * torch.nan, z[:, 0]), "class logits that are not finite"),
        (lambda z: (z, z[:, 0] * torch.nan), "reject margins that are NaN"),
    ],
)
def test_a_broken_output_is_named(function: Callable[[Tensor], Outputs], line: str) -> None:
    with pytest.raises(BenchError, match=rf"^tests\.unit\.test_scoring\.Told: {line}"):
        score(Told(function), images(), CPU)


def out_of_order(_: Tensor) -> Outputs:
    raise KeyError("first\nsecond")


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (out_of_order, r"KeyError: .*first.*second"),
        (lambda z: z @ z, "RuntimeError: "),
        (lambda z: z, "ValueError: too many values to unpack"),
        (lambda z: (z,), "ValueError: not enough values to unpack"),
        (lambda z: None, "TypeError: "),
        (lambda z: (z.tolist(), z[:, 0]), "AttributeError: "),
        (lambda z: (z[:, : len(z) - 1], z[:, 0]), "RuntimeError: Sizes of tensors must match"),
    ],
)
def test_a_forward_that_fails_is_one_line_that_names_the_classifier(
    function: Callable[[Tensor], Outputs], line: str
) -> None:
    classifier = Told(function).train()
    with pytest.raises(BenchError, match=rf"^tests\.unit\.test_scoring\.Told: {line}") as caught:
        score(classifier, images(5), CPU, batch_size=3)
    mend = "mend its forward, which must return class logits (N, K) and reject margins (N,)"
    assert str(caught.value).endswith(f"; {mend}")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None
    assert classifier.training


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), FitFailed("collapsed"), KeyboardInterrupt()])
def test_a_failure_that_is_not_the_forward_s_passes_through(error: BaseException) -> None:
    def failing(_: Tensor) -> Outputs:
        raise error

    with pytest.raises(type(error)) as caught:
        score(Told(failing), images(), CPU)
    assert caught.value is error


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("tried to allocate"), RuntimeError("CUDNN_STATUS_ALLOC_FAILED")]
)
def test_lack_of_memory_is_no_fault_of_the_classifier(error: RuntimeError) -> None:
    def failing(_: Tensor) -> Outputs:
        raise error

    with pytest.raises(BenchError, match=r"Told: out of the memory of cpu: use --device cpu; .* 3 images at once$"):
        score(Told(failing), images(5), CPU, batch_size=3)


@exact()
def divide_exactly(by: int) -> float:
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    return 1 / by


def test_trap_7_exact_switches_tf32_off_and_restores_the_callers_settings() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    try:
        assert torch.backends.cuda.matmul.allow_tf32
        with pytest.raises(ZeroDivisionError):
            divide_exactly(0)
        assert torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_exact_switches_autocast_off() -> None:
    a = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (a @ a).dtype == torch.bfloat16
        with exact():
            assert (a @ a).dtype == torch.float32

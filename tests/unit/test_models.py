"""The architectures."""

import pytest
import torch
from torch import nn

from bench import models
from bench.errors import InvalidConfig, UnknownName
from bench.models.coin_dropout import CoinDropout
from bench.models.cuda_convnet import CudaConvnet
from bench.models.same_map_norm import SameMapNorm
from bench.models.timm_network import TimmNetwork
from bench.models.vgg import Vgg16


def test_cuda_convnet_has_the_layers_of_layers_18pct() -> None:
    network = CudaConvnet(channels=1, side=28, outputs=10)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size, c.padding) for c in convolutions] == [
        (1, 32, (5, 5), (2, 2)),
        (32, 32, (5, 5), (2, 2)),
        (32, 64, (5, 5), (2, 2)),
    ]
    assert sum(isinstance(layer, SameMapNorm) for layer in network.modules()) == 2
    assert network.features(torch.rand(3, 1, 28, 28)).shape == (3, 576)
    assert CudaConvnet(channels=3, side=32, outputs=11)(torch.rand(2, 3, 32, 32)).shape == (2, 11)


def test_vgg16_has_thirteen_convolutions_and_three_fully_connected_layers() -> None:
    network = Vgg16(channels=3, side=32, outputs=11).eval()
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert {(c.kernel_size, c.padding) for c in convolutions} == {((3, 3), (1, 1))}
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(512, 512), (512, 512), (512, 11)]
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(network.classifier(network.features(x)), network(x))
    assert Vgg16(channels=1, side=64, outputs=2)(torch.rand(2, 1, 64, 64)).shape == (2, 2)


def test_the_norm_is_over_neighbours_in_the_same_map() -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64) * 100
    squares = nn.functional.pad(x * x, (1, 1, 1, 1))
    expected = torch.empty_like(x)
    for row in range(5):
        for column in range(6):
            mean = squares[:, :, row : row + 3, column : column + 3].sum(dim=(2, 3)) / 9
            expected[:, :, row, column] = x[:, :, row, column] * (1 + 5e-5 * mean) ** -0.75
    assert torch.allclose(SameMapNorm()(x), expected, rtol=1e-12)
    assert not torch.allclose(expected, x, rtol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_norm_is_the_same_on_a_cpu_without_wide_vectors(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = (torch.randn(2, 3, 5, 6) * 100).to(dtype).requires_grad_()
    seed = torch.randn_like(x)
    found = []
    for capability in ("AVX512", "AVX2"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        y = SameMapNorm()(x)
        found.append((y.detach(), *torch.autograd.grad(y, x, seed)))
    for wide, other in zip(*found, strict=True):
        assert wide.dtype == dtype
        assert torch.allclose(wide, other, rtol=8 * torch.finfo(dtype).eps, atol=8 * torch.finfo(dtype).eps)


def test_the_norms_gradient_is_the_one_of_its_values() -> None:
    # Activations of hundreds, at which the norm is far from the identity.
    x = (torch.randn(2, 3, 5, 6, dtype=torch.float64) * 100).requires_grad_()
    assert torch.autograd.gradcheck(SameMapNorm(), (x,), eps=1e-4)


def test_the_norms_gradients_can_be_taken_for_many_outputs_at_once() -> None:
    x = (torch.randn(2, 3, 5, 6) * 100).requires_grad_()
    y = SameMapNorm()(x)
    seeds = torch.randn(4, *y.shape)
    (together,) = torch.autograd.grad(y, x, seeds, retain_graph=True, is_grads_batched=True)
    for seed, gradient in zip(seeds, together, strict=True):
        assert torch.allclose(torch.autograd.grad(y, x, seed, retain_graph=True)[0], gradient, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_coins_drop_half_of_the_features_and_double_the_others(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, x = CoinDropout(), torch.rand(101, 99).to(dtype) + 1
    dropped = layer(x)
    assert dropped.dtype == dtype
    kept = dropped != 0
    assert torch.equal(dropped[kept], 2 * x[kept])
    # Binomial: the shares of all, of each column and of each bit of a word lie within five standard deviations.
    assert abs(kept.float().mean().item() - 0.5) < 5 * 0.5 / kept.numel() ** 0.5
    assert ((kept.float().mean(dim=0) - 0.5).abs() < 5 * 0.5 / 101**0.5).all()
    bits = kept.flatten()[: kept.numel() // 64 * 64].view(-1, 64).float()
    assert ((bits.mean(dim=0) - 0.5).abs() < 5 * 0.5 / len(bits) ** 0.5).all()
    assert not torch.equal(layer(x) != 0, kept)


def test_coins_fall_as_the_global_generator_has_it_and_not_at_all_in_evaluation() -> None:
    layer, x = CoinDropout(), torch.rand(3, 7, requires_grad=True)
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(gradient, 2.0 * (first != 0))
    assert layer.eval()(x) is x


def test_the_mean_of_the_training_images_is_subtracted_by_the_network() -> None:
    torch.manual_seed(0)
    network = models.create("cuda_convnet", channels=3, side=28, outputs=4).eval()
    images = torch.rand(8, 3, 28, 28) * torch.tensor([0.1, 0.5, 1.0]).view(1, 3, 1, 1)
    network.centre_on(images)
    assert torch.allclose(network.mean.flatten(), images.mean(dim=(0, 2, 3)))
    expected = network.body(images - images.mean(dim=(0, 2, 3), keepdim=True))
    assert torch.allclose(network(images), expected, atol=1e-6)
    assert "mean" in network.state_dict()


def test_any_timm_model_stands_in_by_its_name() -> None:
    torch.manual_seed(0)
    network = models.create("resnet10t", channels=1, side=28, outputs=11).eval()
    x = torch.rand(2, 1, 28, 28)
    assert network.training is False
    assert network(x).shape == (2, 11)
    assert isinstance(network.body, TimmNetwork)
    body = network.body.body
    assert torch.allclose(body(x), network(x), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        (
            "resnet10",
            UnknownName,
            r"neither one of ours \(cuda_convnet, vgg16\) nor a timm model, did you mean 'resnet10t'\?$",
        ),
        ("cuda_convnt", UnknownName, r"nor a timm model, did you mean 'cuda_convnet'\?$"),
        ("xyzzy", UnknownName, r"nor a timm model, known: \w+.* \.\.\. all are in timm\.list_models\(\)$"),
        ("vit_tiny_patch16_224", InvalidConfig, "refuses images of 1×28×28"),
        ("vgg16", InvalidConfig, "vgg16 refuses images of 28×28: its five poolings need 32×32"),
    ],
)
def test_what_cannot_be_an_architecture_is_told_in_one_line(name: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told) as caught:
        models.create(name, channels=1, side=28, outputs=10)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250

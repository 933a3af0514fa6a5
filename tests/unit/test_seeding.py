"""Random streams."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import seeding

NAMES = st.text(max_size=8)
PARTS = st.tuples(NAMES, NAMES, NAMES, st.integers(0, 1000))


@given(PARTS, PARTS)
def test_streams_differ_where_anything_differs(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    if "\x1f" not in "".join(map(str, one + other)):
        assert (seeding.derive(*one) == seeding.derive(*other)) == (one == other)
    assert 0 <= seeding.derive(*one) < 2**63


def test_the_streams_are_pinned() -> None:
    assert seeding.derive("digits", "victim", "naive", 0) == 5316114419511901128
    assert seeding.step(7, "epoch", 1) != seeding.step(7, "order", 1)


def test_a_stream_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with seeding.stream(11):
        first = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    with seeding.stream(11):
        assert torch.equal(torch.rand(4), first)

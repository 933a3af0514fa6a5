"""Canonical JSON and digests."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=5))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical.digest(backwards) == canonical.digest(value)


@given(JSON, JSON)
def test_other_values_have_other_digests(one: object, other: object) -> None:
    same = canonical.encode(one) == canonical.encode(other)
    assert (canonical.digest(one) == canonical.digest(other)) == same


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical.digest(float("nan"))
    with pytest.raises(TypeError):
        canonical.digest({"a": object()})


def test_the_encoding_is_pinned() -> None:
    assert canonical.encode({"b": [1, 0.5], "a": "κ"}) == '{"a":"κ","b":[1,0.5]}'.encode()


def test_a_tensor_digest_tells_values_shapes_and_types_apart() -> None:
    zeros = torch.zeros(2, 3)
    changed = zeros.clone()
    changed[1, 2] = 1e-30
    others = [changed, zeros.reshape(3, 2), zeros.double(), zeros.bool()]
    digests = [canonical.tensor_digest(tensor) for tensor in (zeros, *others)]
    assert len(set(digests)) == len(digests)
    assert canonical.tensor_digest(zeros.t().contiguous().t()) == digests[0]

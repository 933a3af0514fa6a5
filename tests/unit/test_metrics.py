"""Rates, denominators and attack figures, against counting by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bench import metrics
from bench.records import OUT
from defenses.base import REJECT

DECISIONS = st.lists(
    st.tuples(st.integers(0, 3) | st.just(OUT), st.integers(0, 3) | st.just(REJECT)), min_size=1, max_size=60
)
FLAGS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30)


def tensors(fooled: list[bool], victim_correct: list[bool]) -> dict[str, Tensor]:
    n = len(fooled)
    return {
        "label": torch.zeros(n, dtype=torch.int64),
        "fooled": torch.tensor(fooled, dtype=torch.bool),
        "victim_correct": torch.tensor(victim_correct, dtype=torch.bool),
        "hit_target": torch.zeros(n, dtype=torch.bool),
        "reached_kappa": torch.tensor(fooled, dtype=torch.bool),
        "l2": torch.arange(n, dtype=torch.float32),
        "linf": torch.arange(n, dtype=torch.float32) / 10,
    }


ATTACKS = st.lists(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30), min_size=1, max_size=4)


@given(ATTACKS)
def test_what_is_met_by_source_is_of_the_images_that_all_attacks_were_handed(
    attacks: list[list[tuple[int, bool]]],
) -> None:
    handed = [
        (torch.tensor([i for i, _ in a], dtype=torch.int64), torch.tensor([w for _, w in a]).bool()) for a in attacks
    ]
    shared = sorted(set.intersection(*({index for index, _ in attack} for attack in attacks)))
    expected = [[(source, True) in attack for attack in attacks] for source in shared]
    found = metrics.met_by_source(handed)
    assert found.shape == (len(shared), len(attacks))
    assert found.tolist() == expected


def test_what_is_met_by_source_needs_an_attack() -> None:
    with pytest.raises(ValueError, match="no attack: nothing was handed"):
        metrics.met_by_source([])


def test_rates_count_a_rejection_as_rejected_alone() -> None:
    label = torch.tensor([0, 1, 2, 3, 0, OUT, OUT, 1])
    prediction = torch.tensor([0, REJECT, 1, 3, REJECT, REJECT, 2, 1])
    assert metrics.rates(label, prediction) == metrics.Rates(8, 3 / 8, 3 / 8, 2 / 8)


@given(DECISIONS)
def test_rates_are_the_counted_shares_and_sum_to_one(decisions: list[tuple[int, int]]) -> None:
    label, prediction = (torch.tensor(column) for column in zip(*decisions, strict=True))
    found = metrics.rates(label, prediction)
    n = len(decisions)
    assert found.n == n
    assert found.acc == sum(y == p for y, p in decisions) / n
    assert found.rej == sum(p == REJECT for _, p in decisions) / n
    assert found.acc + found.rej + found.err == pytest.approx(1, abs=1e-15)
    assert int(metrics.wrong(label, prediction).sum()) == round(found.err * n)


@given(DECISIONS, st.randoms(use_true_random=False))
def test_rates_do_not_depend_on_the_order_of_images(
    decisions: list[tuple[int, int]],
    random: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    shuffled = random.sample(decisions, len(decisions))
    first, second = (
        metrics.rates(*(torch.tensor(column) for column in zip(*rows, strict=True))) for rows in (decisions, shuffled)
    )
    assert first == second


def test_an_out_distribution_image_is_never_right() -> None:
    found = metrics.rates(torch.full((4,), OUT), torch.tensor([OUT, 0, REJECT, 9]))
    assert (found.acc, found.rej, found.err) == (0, 0.25, 0.75)


def test_no_images_have_no_rates() -> None:
    found = metrics.rates(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    assert found.n == 0
    assert all(math.isnan(rate) for rate in (found.acc, found.rej, found.err))


@pytest.mark.parametrize(
    ("label", "prediction", "said"),
    [([0, 1], [0], "not both"), ([[0]], [[0]], "not both"), ([0, REJECT], [0, 0], "found -1")],
)
def test_rates_refuse_what_is_not_labels(label: list[int], prediction: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        metrics.rates(torch.tensor(label), torch.tensor(prediction))


@given(FLAGS)
def test_denominators_are_subsets_of_all(flags: list[tuple[bool, bool]]) -> None:
    fooled, correct = [one for one, _ in flags], [other for _, other in flags]
    found = metrics.masks(tensors(fooled, correct), "attack")
    assert tuple(found) == metrics.DENOMINATORS
    assert found["all"].tolist() == [True] * len(flags)
    assert found["fooled"].tolist() == fooled
    assert found["victim_correct"].tolist() == correct


@pytest.mark.parametrize("kind", ["clean", "out"])
def test_without_an_attack_there_is_one_denominator(kind: str) -> None:
    assert list(metrics.masks(tensors([True, False], [True, True]), kind)) == ["all"]  # type: ignore[arg-type]


def test_quality_is_over_the_images_that_the_mask_picks() -> None:
    record = tensors([True, True, False, True], [True] * 4)
    everything = metrics.quality(record, torch.ones(4, dtype=torch.bool))
    assert everything.source_err == everything.reached_kappa == 0.75
    assert everything.hit_target == 0
    assert everything.median_l2 == 1.5
    assert everything.median_linf == pytest.approx(0.15)
    fooled = metrics.quality(record, record["fooled"])
    assert (fooled.source_err, fooled.median_l2) == (1, 1)
    nothing = metrics.quality(record, torch.zeros(4, dtype=torch.bool))
    assert math.isnan(nothing.source_err)
    assert math.isnan(nothing.median_l2)


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=40))
def test_the_median_is_the_statistician_s(values: list[float]) -> None:
    ordered = sorted(values)
    middle = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2
    assert metrics.median(torch.tensor(values)) == pytest.approx(middle)

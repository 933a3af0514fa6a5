"""How well scores tell images apart: against scikit-learn, and by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from bench import detection
from defenses.base import REJECT

Scores = st.lists(st.integers(-3, 3), min_size=1, max_size=30)


@given(Scores, Scores)
def test_auroc_is_scikit_learn_s(known: list[int], foreign: list[int]) -> None:
    expected = roc_auc_score([0] * len(known) + [1] * len(foreign), known + foreign)
    assert detection.auroc(torch.tensor(known), torch.tensor(foreign)) == pytest.approx(expected)


def test_a_classifier_without_a_score_tells_nothing_apart() -> None:
    scores = torch.full((5,), -torch.inf)
    assert detection.auroc(scores, scores) == 0.5
    assert detection.false_acceptances(scores, scores) == 1.0
    assert detection.auroc(scores, torch.zeros(3)) == 1.0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=60), Scores)
def test_false_acceptances_reject_no_more_than_one_in_twenty_of_the_known(known: list[int], foreign: list[int]) -> None:
    found = detection.false_acceptances(torch.tensor(known), torch.tensor(foreign))
    shares = [
        sum(score <= threshold for score in foreign) / len(foreign)
        for threshold in known
        if sum(score > threshold for score in known) <= 0.05 * len(known)
    ]
    assert found == pytest.approx(min(shares))


def test_no_images_have_no_figure() -> None:
    none, some = torch.zeros(0), torch.zeros(2)
    assert math.isnan(detection.auroc(none, some))
    assert math.isnan(detection.false_acceptances(some, none))
    assert math.isnan(detection.area_under_risk(none.bool(), none))


def test_risk_is_the_share_of_errors_among_the_surest() -> None:
    wrong = torch.tensor([True, False, False, True])
    score = torch.tensor([0.9, 0.1, 0.2, 0.3])
    assert detection.risk_coverage(wrong, score).tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert detection.area_under_risk(wrong, score) == pytest.approx(5 / 24)


def test_equal_scores_share_their_errors() -> None:
    wrong = torch.tensor([True, False, True, False])
    assert detection.risk_coverage(wrong, torch.zeros(4)).tolist() == [0.5] * 4
    assert detection.risk_coverage(wrong, torch.tensor([0.0, 0.0, 1.0, 1.0])).tolist() == [0.5] * 4
    assert detection.risk_coverage(wrong, torch.full((4,), -torch.inf)).tolist() == [0.5] * 4


@given(st.permutations(range(6)))
def test_the_order_of_the_images_does_not_matter(order: list[int]) -> None:
    wrong = torch.tensor([True, False, True, False, False, True])
    score = torch.tensor([0.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    found = detection.risk_coverage(wrong[order], score[order])
    assert torch.allclose(found, detection.risk_coverage(wrong, score))


def test_what_exceeds_the_threshold_is_rejected() -> None:
    found = detection.decided_at(0.5, torch.tensor([1, 2, 3]), torch.tensor([0.4, 0.5, 0.6]))
    assert found.tolist() == [1, 2, REJECT]

"""Intervals, against published values, scipy, and a simulation."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.intervals import (
    Interval,
    Outcomes,
    clustered_bootstrap,
    of_one_more,
    of_one_more_difference,
    over_seeds,
    per_source_image,
    wilson,
)

SHARES = st.floats(0, 1)


def unused() -> Interval:
    raise AssertionError


def outcomes(index: list[int], wrong: list[int]) -> Outcomes:
    return Outcomes(np.array(index, dtype=np.int64), np.array(wrong, dtype=bool))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombe_s_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 20000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_wilson_knows_nothing_without_images() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))


def test_one_seed_asks_for_the_interval_over_its_images() -> None:
    assert over_seeds([0.3], lambda: Interval(0.1, 0.4)) == (0.1, 0.4)


def test_two_seeds_give_their_range() -> None:
    assert over_seeds([0.7, 0.2], unused) == (0.2, 0.7)


def test_no_seed_gives_no_interval() -> None:
    assert all(math.isnan(end) for end in over_seeds([], unused))


@given(st.lists(st.floats(0.4, 0.6), min_size=3, max_size=9))
def test_three_or_more_seeds_give_student_s_interval(values: list[float]) -> None:
    error = stats.sem(values)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), error) if error else (values[0], values[0])
    assert over_seeds(values, unused) == pytest.approx(np.clip(expected, 0, 1), abs=1e-12)


def test_one_more_run_lies_farther_than_the_mean_does() -> None:
    values = [0.40, 0.43, 0.46]
    t, sd = 4.302653, 0.03
    expected = (0.43 - t * sd * (4 / 3) ** 0.5, 0.43 + t * sd * (4 / 3) ** 0.5)
    assert of_one_more(values) == pytest.approx(expected)
    assert of_one_more([0.02, 0.05, 0.08]).low == 0
    assert of_one_more([0.92, 0.95, 0.98]).high == 1
    assert np.isnan(of_one_more(values[:2])).all()
    around_nothing = [0.02, -0.05, 0.0]
    low, high = of_one_more_difference(around_nothing)
    assert (low + high) / 2 == pytest.approx(-0.01)
    assert low < of_one_more(around_nothing).low == 0


def test_one_more_run_is_held_as_often_as_it_says() -> None:
    stream = np.random.default_rng(5)
    draws = stream.normal(0.5, 0.05, size=(2000, 6))
    held = 0
    for *values, more in draws:
        low, high = of_one_more(values)
        held += low <= more <= high
    assert 0.935 < held / len(draws) < 0.965


@given(st.lists(SHARES, min_size=2, max_size=9))
def test_intervals_over_seeds_hold_the_mean_within_bounds(values: list[float]) -> None:
    low, high = over_seeds(values, unused)
    assert 0 <= low <= np.mean(values) + 1e-12
    assert np.mean(values) - 1e-12 <= high <= 1


def test_the_table_counts_images_by_source() -> None:
    table = per_source_image([outcomes([4, 7], [1, 0]), outcomes([7, 9, 7], [1, 0, 1])])
    assert table.tolist() == [[1, 0, 1, 0], [1, 2, 0, 2], [0, 1, 0, 0]]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=20), min_size=1, max_size=4
    )
)
def test_the_bootstrap_holds_the_average(attacks: list[list[tuple[int, int]]]) -> None:
    given_outcomes = [outcomes([i for i, _ in rows], [w for _, w in rows]) for rows in attacks]
    average = np.mean([np.mean(attack.wrong) for attack in given_outcomes])
    low, high = clustered_bootstrap(given_outcomes, draws=50)
    assert -1e-12 <= low <= average + 1e-12
    assert average - 1e-12 <= high <= 1 + 1e-12


def test_the_bootstrap_of_single_images_has_the_analytic_width() -> None:
    n, share = 2000, 0.3
    wrong = np.arange(n) < share * n
    low, high = clustered_bootstrap([Outcomes(np.arange(n), wrong)])
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(share * (1 - share) / n), rel=0.1)


def test_an_image_seen_twice_is_no_second_image() -> None:
    wrong = np.arange(500) < 200
    once = clustered_bootstrap([Outcomes(np.arange(500), wrong)])
    twice = clustered_bootstrap([Outcomes(np.tile(np.arange(500), 2), np.tile(wrong, 2))])
    two_attacks = clustered_bootstrap([Outcomes(np.arange(500), wrong)] * 2)
    assert twice == pytest.approx(once)
    assert two_attacks == pytest.approx(once)
    independent = clustered_bootstrap([Outcomes(np.arange(1000), np.tile(wrong, 2))])
    assert independent[1] - independent[0] < 0.8 * (once[1] - once[0])


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    trials, hits, images = 1000, 0, 200
    for _ in range(trials):
        hard = random.random(images)  # a source image is as hard for every attack
        attacks = [Outcomes(np.arange(images), hard < 0.2), Outcomes(np.arange(images), hard < 0.6)]
        index = random.permutation(images)[:50].repeat(2)
        attacks.append(Outcomes(index, hard[index] < 0.4))
        low, high = clustered_bootstrap(attacks)
        hits += low <= 0.4 <= high
    assert 0.95 - 4 * 0.007 <= hits / trials <= 0.95 + 4 * 0.007  # four standard errors of a share of 0.95


@pytest.mark.parametrize("wrong", [0, 1])
def test_where_all_went_one_way_the_interval_still_has_a_width(wrong: int) -> None:
    attacks = [outcomes(list(range(50)), [wrong] * 50), outcomes([1, 1, 2, 2], [wrong] * 4)]
    ends = [(wilson(50 * wrong, 50)[end] + wilson(2 * wrong, 2)[end]) / 2 for end in (0, 1)]
    assert clustered_bootstrap(attacks) == pytest.approx(ends)
    assert clustered_bootstrap(attacks[1:]) == pytest.approx(wilson(2 * wrong, 2))


def test_one_error_of_many_images_does_not_hide_what_a_few_images_leave_open() -> None:
    many, few = Outcomes(np.arange(10_000), np.arange(10_000) < 1), Outcomes(np.arange(100), np.zeros(100, dtype=bool))
    low, high = clustered_bootstrap([many, few])
    assert low == 0
    assert wilson(0, 100).high / 2 < high < wilson(0, 100).high / 2 + 1e-4


def test_the_bootstrap_covers_the_truth_where_an_attack_hardly_ever_succeeds() -> None:
    random = np.random.default_rng(5)
    trials, truth = 300, (4 * 0.001 + 0.01) / 5
    hits = 0
    for _ in range(trials):
        attacks = [Outcomes(np.arange(2000), random.random(2000) < 0.001) for _ in range(4)]
        attacks.append(Outcomes(np.arange(100), random.random(100) < 0.01))
        low, high = clustered_bootstrap(attacks, draws=200)
        hits += low <= truth <= high
    assert hits / trials >= 0.95 - 4 * 0.0126  # four standard errors of a share of 0.95


def test_the_bootstrap_knows_nothing_of_an_attack_without_images() -> None:
    assert all(math.isnan(end) for end in clustered_bootstrap([outcomes([0], [1]), outcomes([], [])]))
    assert all(math.isnan(end) for end in clustered_bootstrap([]))


def test_the_bootstrap_repeats_itself_and_is_fast() -> None:
    random = np.random.default_rng(0)
    attacks = [Outcomes(np.arange(10_000), random.random(10_000) < 0.1 * i) for i in range(1, 7)]
    began = time.process_time()
    first = clustered_bootstrap(attacks)
    assert time.process_time() - began < 0.3
    assert clustered_bootstrap(attacks) == first

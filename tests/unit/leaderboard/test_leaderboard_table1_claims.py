"""The paper's claims and contradictions: decided by intervals over seeds, from records whose rates can be counted."""

import pytest

from bench.intervals import of_one_more
from leaderboard.arranging import arranged
from leaderboard.paper import INTERP, OOD
from leaderboard.ranking import NAIVE
from leaderboard.table1.claims import MATCHED
from leaderboard.table1.contradictions import contradictions
from leaderboard.table1.deciding import Claim
from leaderboard.table1.of_squeezing import SQUEEZING
from leaderboard.table1.sections import verdicts
from tests.unit.leaderboard.paper_run import WRONG, Make, retrained, run, told


def of(found: list[Claim], measured: str) -> list[Claim]:
    return [claim for claim in found if claim.measured == measured]


def test_claims_are_decided_by_paired_intervals(make: Make) -> None:
    found = told(run(make))
    naive, ood = of(found, "average Err minus naive's") + of(found, "average Err minus +OOD's")
    assert naive.estimate is not None
    assert naive.estimate.value == pytest.approx(-0.78)
    assert naive.estimate.high == pytest.approx(-0.78)  # every seed gives the same
    assert (naive.verdict, ood.verdict) == ("holds", "holds")
    (rejects,) = (claim for claim in found if claim.said == "interpolation raises rejection over OOD alone")
    assert rejects.estimate is not None
    assert rejects.estimate.value == pytest.approx(0.39)
    assert rejects.verdict == "holds"
    (safe,) = of(found, "1 − average Err of +OOD+interp")
    assert safe.estimate is not None
    assert safe.estimate.value == pytest.approx(0.96)
    assert safe.verdict == "undecided"  # seeds from 94 to 98


def test_a_claim_that_the_runs_refute_does_not_hold(make: Make) -> None:
    found = told(run(make, WRONG | {INTERP: (60, 62, 64)}))
    (ood,) = of(found, "average Err minus +OOD's")
    assert ood.verdict == "does not hold"
    (safe,) = of(found, "1 − average Err of +OOD+interp")
    assert safe.verdict == "does not hold"


@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed decides nothing"), (2, "two seeds decide nothing")])
def test_fewer_than_three_seeds_decide_nothing(make: Make, seeds: int, said: str) -> None:
    far = {NAIVE: (80, 82, 84), OOD: (40, 43, 46), INTERP: (60, 62, 64), SQUEEZING: (2, 3, 4)}
    found = told(run(make, {name: errors[:seeds] for name, errors in far.items()}))
    measured = [claim for claim in found if claim.estimate is not None]
    assert {claim.verdict for claim in measured} == {"undecided"}
    assert {claim.seeds for claim in measured} == {seeds}
    (safe,) = of(found, "1 − average Err of +OOD+interp")  # its interval, of images or a range, lies far below 95%
    assert safe.estimate is not None
    assert safe.estimate.high < 0.5
    assert verdicts([safe]).endswith(f" **undecided**: {said} |")


def test_a_paired_claim_counts_the_seeds_that_both_have(make: Make) -> None:
    found = told(run(make, WRONG | {MATCHED: (10, 11), SQUEEZING: (30,)}))
    control = next(claim for claim in found if claim.said.startswith("the same with a dustbin"))
    assert (control.seeds, control.verdict) == (2, "undecided")
    squeezed = [claim for claim in found if "feature squeezing" in claim.said]
    assert {(claim.seeds, claim.verdict) for claim in squeezed} == {(1, "undecided")}
    assert {claim.seeds for claim in of(found, "average Err minus naive's")} == {3}


def test_clean_rejection_is_told_of_the_seeds_that_are_compared(make: Make) -> None:
    records = [record for record in run(make, WRONG | {SQUEEZING: (30,)}) if record.header.attack != "clean"]
    records += [
        make(INTERP, "clean", (1000 - rejected, rejected, 0), seed=seed) for seed, rejected in enumerate((10, 90))
    ]
    found = told(arranged([*records, make(SQUEEZING, "clean", (950, 50, 0))]))
    assert of(found, "Err minus feature squeezing's, where they reject 1.0 and 5.0% of the clean images")


def test_most_is_more_than_half_and_small_perturbations_are_asked_one_by_one(make: Make) -> None:
    found = told(run(make, WRONG | {OOD: (30, 33, 36)}))
    most, alone = of(found, "average Rej of ood_interp") + of(found, "average Rej of +OOD")
    assert [claim.estimate and round(claim.estimate.value, 6) for claim in (most, alone)] == [0.96, 0.67]
    assert (most.verdict, alone.verdict) == ("holds", "holds")
    for errors, verdict in (((40, 43, 46), "undecided"), ((60, 62, 64), "does not hold")):
        (less,) = of(told(run(make, WRONG | {OOD: errors})), "average Rej of +OOD")
        assert less.verdict == verdict
    small = [claim for claim in found if claim.said == "interpolation raises rejection of small perturbations"]
    assert [claim.measured for claim in small] == [
        "Rej on deepfool minus +OOD's",
        "Rej on deepfool_min minus +OOD's",
        "Rej on C&W minus +OOD's",
    ]
    assert {claim.verdict for claim in small} == {"holds"}


@pytest.mark.parametrize(("right", "verdict"), [((990, 989, 991), "agrees"), ((984, 983, 985), "differs")])
def test_the_same_clean_accuracy_is_asked_of_mnist_alone(make: Make, right: tuple[int, ...], verdict: str) -> None:
    records = [record for record in run(make) if (record.header.defense, record.header.attack) != (OOD, "clean")]
    records += [make(OOD, "clean", (n, 0, 1000 - n), seed=seed) for seed, n in enumerate(right)]
    (found,) = of(told(arranged(records)), "naive's clean Acc minus +OOD's, one more run after 3")
    assert (found.said, found.verdict) == ("the same clean accuracy, to 0.03 points", verdict)
    assert found.estimate is not None
    assert found.estimate.low == pytest.approx(found.estimate.value - 4.302653 * 0.001 * (4 / 3) ** 0.5)
    assert not any(claim.said.startswith("the same clean") for claim in told(run(make, track="cifar10")))


def test_the_control_of_size_counts_where_it_was_run(make: Make) -> None:
    said = "the same with a dustbin no larger than +OOD's (a control of ours)"
    without = next(claim for claim in told(run(make)) if claim.said == said)
    assert (without.verdict, without.estimate) == ("not measured", None)
    found = next(claim for claim in told(run(make, WRONG | {MATCHED: (10, 11, 12)})) if claim.said == said)
    assert found.verdict == "holds"


def test_the_share_of_cws_images_is_told_by_the_suite_of_kappas(make: Make) -> None:
    said = "at κ = 0 the naive network classifies 97% of C&W's images correctly"
    assert next(claim for claim in told(run(make)) if claim.said == said).verdict == "not measured"
    for rights, verdict in (((94, 96), "undecided"), ((94, 95, 96), "agrees"), ((80, 81, 82), "differs")):
        kappas = [
            make(NAIVE, "cw_0", (right, 0, 100 - right), suite="kappa", seed=seed) for seed, right in enumerate(rights)
        ]
        found = next(claim for claim in told(run(make), *kappas) if claim.said == said)
        assert found.estimate is not None
        assert found.estimate.value == pytest.approx(sum(rights) / len(rights) / 100)
        one_more = of_one_more([right / 100 for right in rights])
        assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(one_more), nan_ok=True)
        assert (found.measured, found.verdict) == (f"naive's Acc at κ = 0, one more run after {len(rights)}", verdict)


def test_a_kappa_of_other_networks_than_the_tables_is_marked(make: Make) -> None:
    kappas = [make(name, "cw_0", (96, 0, 4), suite="kappa", seed=seed) for name in (NAIVE, OOD) for seed in range(3)]
    for again, at in ((NAIVE, "κ = 0 ‡"), (OOD, "κ = 0")):  # the claim is of the naive network
        others = retrained([record for record in kappas if record.header.defense == again])
        others += [record for record in kappas if record.header.defense != again]
        assert of(told(run(make), *others), f"naive's Acc at {at}, one more run after 3")


def test_the_tables_own_kappa_has_the_tables_seeds(make: Make) -> None:
    (found,) = (claim for claim in told(run(make)) if claim.said.startswith("at κ = 20"))
    assert found.measured == "naive's Acc at κ = 20, one more run after 3"
    assert found.verdict == "agrees"  # 16 to 20 beside 22.49


def test_variants_tell_of_the_papers_choices(make: Make) -> None:
    worse = {"ood_interp_tenth": (8, 11, 14), "ood_interp_random": (2, 4, 6), "ood_interp_pixels": (1, 2, 3)}
    squeezing = {SQUEEZING: (30, 32, 34)}
    found = {claim.said: claim for claim in told(run(make, WRONG | worse | squeezing))}
    assert found["a much smaller dustbin does not help as much (a control of ours)"].verdict == "holds"
    assert found["a much smaller dustbin does not improve on the naive network"].verdict == "does not hold"
    nearest = found["nearest neighbours do better than random ones (a control of ours)"]
    assert nearest.verdict == "undecided"  # no seed differs
    in_features = found["neighbours in feature space do better than in pixel space (a control of ours)"]
    assert in_features.verdict == "undecided"
    assert found["a very large dustbin lowers clean accuracy"].verdict == "not measured"
    alike = {claim.said: claim for claim in told(run(make, WRONG | {"ood_interp_triple": (2, 4, 6)}))}
    assert alike["a very large dustbin lowers clean accuracy"].verdict == "undecided"  # no seed differs


def test_variants_that_the_table_lacks_are_told_by_a_run_under_the_same_attacks(make: Make) -> None:
    tenth = "average Err of ood_interp_tenth minus +OOD+interp's"
    again = run(make, {NAIVE: (80, 82, 84), INTERP: (10, 20, 33), "ood_interp_tenth": (30, 41, 52)}, suite="controls")
    (found,) = of(told(run(make), *retrained(again)), f"{tenth} ‡")
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.2)  # of that run, and not beside the table's own 2 to 6
    assert (found.seeds, found.verdict) == (3, "holds")
    (same,) = of(told(run(make), *again), tenth)  # of the table's own networks, under another suite
    assert same.estimate == found.estimate
    of_table = told(run(make, WRONG | {"ood_interp_tenth": (8, 11, 14)}), *retrained(again))
    assert [claim.estimate and round(claim.estimate.value, 6) for claim in of(of_table, tenth)] == [0.07]
    assert not of(of_table, f"{tenth} ‡")
    said = "a very large dustbin lowers clean accuracy"
    assert {claim.verdict for claim in of_table if claim.said == said} == {"not measured"}


@pytest.mark.parametrize(
    "other", [{"suite": "controls", "epochs": 5}, {"suite": "controls", "parameters": {"epsilon": 0.1}}]
)
def test_a_run_of_other_attacks_or_epochs_tells_nothing_of_variants(make: Make, other: dict[str, object]) -> None:
    again = run(make, WRONG | {"ood_interp_tenth": (30, 41, 52)}, **other)
    assert (
        of(told(run(make), *again), "average Err of ood_interp_tenth minus +OOD+interp's")[0].verdict == "not measured"
    )


@pytest.mark.parametrize(("right", "verdict"), [(940, "does not hold"), (960, "holds"), (1000, "holds")])
def test_clean_accuracy_falls_from_naive_s_to_a_defense_s(make: Make, right: int, verdict: str) -> None:
    records = [record for record in run(make) if (record.header.defense, record.header.attack) != (OOD, "clean")]
    records += [make(OOD, "clean", (right, 0, 1000 - right), seed=seed) for seed in range(3)]
    (found,) = of(told(arranged(records)), "naive's clean Acc minus +OOD's")
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx((990 - right) / 1000)
    assert found.verdict == verdict


def test_feature_squeezing_is_met_at_own_thresholds_and_at_equal_rejection(make: Make) -> None:
    found = told(run(make, WRONG | {SQUEEZING: (30, 32, 34)}))
    lower, lower_even, fgs, _, cw, _ = [claim for claim in found if "feature squeezing" in claim.said]
    assert lower.said == "lower error than feature squeezing, averaged over FGS, ifgs, deepfool"
    assert lower.measured == "Err minus feature squeezing's, where they reject 0.0 and 0.0% of the clean images"
    assert lower_even.measured == "Err minus feature squeezing's, where both reject 5% of the clean validation images"
    assert lower.estimate is not None
    assert lower.estimate.value == pytest.approx(-0.28)
    assert lower_even.estimate is not None
    assert lower_even.estimate.value == pytest.approx(-0.28)
    assert (lower.verdict, lower_even.verdict) == ("holds", "holds")
    assert (fgs.said, fgs.verdict) == ("higher error than feature squeezing on FGS", "does not hold")
    assert (cw.said, cw.verdict) == ("higher error than feature squeezing on C&W", "does not hold")
    elsewhere = told(run(make, track="cifar10"))
    assert not any(claim.said == fgs.said for claim in elsewhere)
    assert {claim.verdict for claim in elsewhere if "squeezing" in claim.said} == {"not measured"}


def test_the_papers_contradictions_are_worked_out_from_its_figures() -> None:
    mnist, cifar10 = contradictions("mnist"), contradictions("cifar10")
    assert "Err of `naive` under `average` is 79% in the text, 80.82% in the table." in mnist
    assert "Err of `ood_interp` under `fgs` is 1% in the text, 0.06% in the table." in mnist
    assert "Err of `ood_interp` under `cw` is 15.1% in the text, 15.01% in the table." in mnist
    assert any(line.startswith("C&W has 200 images; 22.49%, 77.51%") for line in mnist)
    assert not any("C&W has" in line for line in cifar10)  # all are halves
    assert not any("printed average" in line for line in (*mnist, *cifar10))
    increased = [[line for line in found if line.startswith("Section V increases")] for found in (mnist, cifar10)]
    said = "the dustbin of `ood_interp` has 30,000 images beside 50,000, which is 60%."
    assert increased == [[], [f"Section V increases the training set by 50%; {said}"]]  # 25,000 of MNIST are 50%
    assert not any(line.startswith(("Section V has all", "Section VI has most")) for line in mnist)
    both = "95.36% of them rejected by `ood`, 96.21% of them rejected by `ood_interp`."
    assert f"Section V has all natural out-distribution images in the dustbin; the table has {both}" in cifar10
    assert any(line.endswith("on average, 40.8% rejected and 34.3% classified correctly.") for line in cifar10)
    for found, share in ((mnist, 39.8), (cifar10, 29.5)):
        assert any(line.endswith(f"on average, {share}% of them rejected by `ood`.") for line in found)

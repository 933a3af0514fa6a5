"""Publishing a run: what is refused."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch

import defenses
from bench import codedigest, publishing, reporting
from bench.data.in_folder import Source
from bench.errors import InvalidConfig
from bench.precision import in_precision
from bench.records import DataOrigin
from bench.store import Store
from bench.tracks import TRACKS
from defenses.base import LabelledImages
from tests.unit.publishing.conftest import ATTACKS, DIGITS, StoreRun


def refused(source: Store, track: str = "digits") -> str:
    """Return what a refusal says between the name of the run and the mend."""
    with pytest.raises(InvalidConfig) as caught:
        publishing.whole_run(source, track, "table1")
    before, after = f"the last run of '{track}' is not published: ", "; publish one of the track's own settings and "
    text = str(caught.value)
    assert text.startswith(before)
    assert text.endswith(f"{after}known data: `python -m bench run {track}`")
    return text.removeprefix(before).partition(after)[0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"limit": 2000}, "it has limit 2000, the track has none"),
        ({"track": replace(DIGITS, architecture="vgg16")}, "it has architecture vgg16, the track has cuda_convnet"),
        (
            {"track": in_precision(DIGITS, "bf16")},
            "it has precision bf16, the track has float32",
        ),
        ({"epochs": 5}, "it has epochs 5, the track has 24"),
        ({"suite_digest": "0" * 64}, "its suite 'table1' is none of those that ship with the program"),
        ({"suite": "mine"}, "its suite 'mine' is none of those that ship with the program"),
        ({"attacks": ATTACKS[:-2]}, "it leaves out deepfool_min, cw"),
        ({"names": ("ood", "ood_interp")}, "it leaves out naive"),
        ({"track": replace(DIGITS, out_tests=("letters",))}, "it leaves out out:photos"),
        ({"seeds": (0, 2)}, "it has the seeds 0, 2, which do not count up from 0"),
        ({"seeds": (1,)}, "it has the seeds 1, which do not count up from 0"),
    ],
)
def test_what_is_no_whole_run_of_the_track_is_refused(run_of: StoreRun, changed: dict[str, Any], told: str) -> None:
    assert refused(run_of(**changed)) == told


OTHER = "it is of another recipe than the track's now, of other code of a defense, or of other cells"


@pytest.mark.parametrize("field", ["epochs", "batch_size", "learning_rate"])
def test_a_run_of_another_recipe_is_refused(run_of: StoreRun, field: str) -> None:
    recipe = replace(DIGITS.recipe, **{field: getattr(DIGITS.recipe, field) * 2})
    assert refused(run_of(replace(DIGITS, recipe=recipe))) == OTHER


def test_a_run_of_other_code_is_refused(run_of: StoreRun, monkeypatch: pytest.MonkeyPatch) -> None:
    source = run_of()
    publishing.whole_run(source, "digits", "table1")
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda module: "0" * 64)
    assert refused(source) == OTHER


def test_a_run_of_other_code_of_some_defenses_names_the_first(
    run_of: StoreRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, own = run_of(seeds=(0, 1)), codedigest.as_loaded
    module = defenses.target("ood").partition(":")[0]
    monkeypatch.setattr("bench.codedigest.as_loaded", lambda name: "0" * 64 if name == module else own(name))
    assert refused(source) == "it is of other code of 'ood', or of a defense that this needs, than the checkout's"


BF16 = replace(in_precision(TRACKS["mnist"], "bf16"), near_tests=())
FLOAT32 = in_precision(BF16, "float32")
WHOLE = replace(TRACKS["cifar10"], near_tests=())
BRIEF = replace(WHOLE, recipe=replace(WHOLE.recipe, epochs=8))


@pytest.mark.parametrize(
    ("before", "later", "told"),
    [
        (
            {"track": DIGITS, "seeds": (0,)},
            {"track": in_precision(DIGITS, "bf16"), "seeds": (1, 2)},
            "bf16 with seeds 1, 2 and float32 with the others: run seeds 1, 2 again with --precision float32",
        ),
        (
            {"track": FLOAT32, "seeds": (0, 1)},
            {"track": BF16, "seeds": (2,)},
            "bf16 with seeds 2 and float32 with the others: run seeds 2 again with --precision float32",
        ),
        (
            {"track": BF16, "names": ("ood", "ood_interp")},
            {"track": FLOAT32, "names": ("naive",)},
            "float32 with seeds 0 of naive and bf16 with the others: run seeds 0 of naive again with --precision bf16",
        ),
        (
            {"track": WHOLE, "seeds": (0, 1)},
            {"track": BRIEF, "epochs": 8, "seeds": (2,)},
            "8 with seeds 2 and 40 with the others: run seeds 2 again without --epochs",
        ),
        (
            {"track": DIGITS, "seeds": (0, 1)},
            {"track": DIGITS, "limit": 9, "seeds": (2,)},
            "9 with seeds 2 and none with the others: run seeds 2 again without --limit",
        ),
    ],
    ids=["foreign", "precision", "defense", "epochs", "limit"],
)
def test_records_of_several_settings_are_refused_and_named(
    run_of: StoreRun, before: dict[str, Any], later: dict[str, Any], told: str
) -> None:
    store, name = run_of(**before), before["track"].name
    earlier = reporting.of_last_run(store, name, "table1")
    found = reporting.joined(earlier, reporting.of_last_run(run_of(**later), name, "table1"))
    keys = tuple(record.key for record in found)
    (entry,) = reporting.read(store).runs
    reporting.remember(store, entry.model_copy(update={"records": keys}), [name])
    assert re.fullmatch(rf"it has (precision|epochs|limit) {re.escape(told)}", refused(store, name))


def test_a_run_on_a_set_that_is_no_test_of_the_track_is_refused(run_of: StoreRun) -> None:
    assert refused(run_of(replace(DIGITS, out_tests=(*DIGITS.out_tests, "svhn")))) == OTHER


def test_a_run_that_lacks_a_cell_is_refused(run_of: StoreRun) -> None:
    source = run_of()
    (entry,) = reporting.read(source).runs
    fewer = entry.model_copy(update={"records": entry.records[:-1]})
    reporting.remember(source, fewer, ["digits"])
    assert refused(source) == OTHER


def test_a_run_on_a_copy_that_nobody_knows_is_refused(run_of: StoreRun) -> None:
    split = LabelledImages(torch.zeros(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64))
    copy = Source("mnist", "mnist.npz", {}, official=False).dataset({"train": split}, known={})
    origin = DataOrigin(digest=copy.digest, origin=copy.origin, notes=copy.notes)
    source = run_of(TRACKS["mnist"], data={"mnist": origin.model_dump()})
    assert refused(source, "mnist") == f"its data set 'mnist' is an unknown copy ({copy.digest[:12]})"


def test_a_run_that_broke_off_is_refused(run_of: StoreRun) -> None:
    with pytest.raises(InvalidConfig, match=r"ended as 'failed' \(it broke\); mend it first$"):
        publishing.whole_run(run_of(status="failed"), "digits", "table1")

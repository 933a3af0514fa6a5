"""What a run fitted is loaded from its store, and answers as it did in the run."""

import shutil
from pathlib import Path

import pytest
import torch

from bench import fitted, metrics, reporting, scoring
from bench.data import load
from bench.errors import BenchError
from bench.store import Store

CPU = torch.device("cpu")


def test_the_classifiers_of_a_run_answer_as_they_did_in_it(undisturbed: Path) -> None:
    store = Store(undisturbed / "store")
    found = fitted.of_last_run(store, "digits", CPU, suite="quick")
    assert set(found) == {"naive", "surrogate"}
    clean, attacked = (
        next(record for record in reporting.of_last_run(store, "digits", "quick") if record.header.attack == attack)
        for attack in ("clean", "fgs")
    )
    test = load("digits", undisturbed).splits["test"]
    images, labels = test.images[clean.tensors["index"]], test.labels[clean.tensors["index"]]
    assert torch.equal(scoring.score(found["naive"], images, CPU).prediction, clean.tensors["prediction"])
    right = ~metrics.wrong(labels, scoring.score(found["surrogate"], images, CPU).prediction)
    assert torch.equal(clean.tensors["index"][right].sort().values, attacked.tensors["index"].sort().values)


def test_a_store_without_the_run_or_without_its_fits_is_one_error(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no run of 'digits' under 'table1' with seed 0"):
        fitted.of_last_run(Store(undisturbed / "store"), "digits", CPU)
    with pytest.raises(BenchError, match="with seed 3"):
        fitted.of_last_run(Store(undisturbed / "store"), "digits", CPU, suite="quick", seed=3)
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "fit")
    with pytest.raises(BenchError, match=r"the fit of naive, surrogate is gone; .* makes it"):
        fitted.of_last_run(Store(tmp_path / "store"), "digits", CPU, suite="quick")

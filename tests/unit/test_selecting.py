"""From names to what is run."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import defenses
from bench import selecting, suites
from bench.errors import InvalidConfig
from bench.tracks import TRACKS

CPU = torch.device("cpu")
NAMES = st.lists(st.text(alphabet="abcdef_", min_size=1), max_size=6)


@given(NAMES)
def test_a_list_is_its_names_in_order_each_once(names: list[str]) -> None:
    assert selecting.listed(" , ".join(names) + ",") == list(dict.fromkeys(names))


def test_no_list_is_the_default() -> None:
    assert selecting.listed(None) is None
    assert [track.name for track in selecting.tracks(None, CPU, None, None, everything=False)] == ["digits"]
    assert [track.name for track in selecting.tracks(None, CPU, None, None, everything=True)] == list(TRACKS)


ALL = [name for name in defenses.ROSTER if name not in defenses.VARIANTS]


def test_the_variants_are_of_the_roster() -> None:
    assert len(ALL) == len(defenses.ROSTER) - 6


@pytest.mark.parametrize(
    ("tracks", "defense_names", "found"),
    [
        (None, None, (list(TRACKS), ALL)),
        (["mnist"], None, (["mnist"], ALL)),
        (None, ["ood"], (list(TRACKS), ["ood"])),
    ],
)
def test_all_is_every_track_and_every_defense_where_none_is_named(
    tracks: list[str] | None, defense_names: list[str] | None, found: tuple[list[str], list[str]]
) -> None:
    chosen = selecting.tracks(tracks, CPU, None, None, everything=True)
    assert [track.name for track in chosen] == found[0]
    assert selecting.wanted(defense_names, tracks, everything=True) == (found[1], [])


def test_all_is_refused_where_tracks_and_defenses_are_named() -> None:
    assert selecting.wanted(["ood"], ["mnist"], everything=False) == (["ood"], [])
    with pytest.raises(InvalidConfig, match="both are: leave it out"):
        selecting.wanted(["ood"], ["mnist"], everything=True)


def test_tracks_come_cheapest_first_whatever_the_order_typed() -> None:
    found = selecting.tracks(["mnist", "digits"], CPU, None, None, everything=False)
    assert [track.name for track in found] == ["digits", "mnist"]


@pytest.mark.parametrize("native", [False, True])
def test_a_precision_asked_for_is_had_whatever_the_device(*, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.precision.has_bf16", lambda device: native)
    for name in ("float32", "bf16"):
        (mnist,) = selecting.tracks(["mnist"], CPU, selecting.asked_precision(name), None, everything=False)
        assert mnist.recipe == replace(TRACKS["mnist"].recipe, precision=name)
    (mnist,) = selecting.tracks(["mnist"], CPU, selecting.asked_precision(None), None, everything=False)
    assert mnist.recipe == replace(TRACKS["mnist"].recipe, precision="bf16" if native else "float32")


def test_an_architecture_stands_in_where_it_takes_the_images() -> None:
    (digits,) = selecting.tracks(["digits"], CPU, None, "resnet10t", everything=False)
    assert digits == replace(TRACKS["digits"], architecture="resnet10t")
    with pytest.raises(InvalidConfig, match="refuses images of 28×28"):
        selecting.tracks(["digits"], CPU, None, "vgg16", everything=False)


def epochs(limit: int | None, asked: int | None = None) -> int:
    """Return for how many epochs a run of CIFAR-10 trains."""
    cifar10, table1 = TRACKS["cifar10"], suites.load("table1")
    found = selecting.select(
        cifar10, table1, defense_names=["naive"], attack_names=None, seeds=[0], limit=limit, epochs=asked
    )
    assert replace(found.track, recipe=cifar10.recipe) == cifar10
    return found.track.recipe.epochs


def test_a_limited_run_trains_for_fewer_epochs() -> None:
    assert epochs(2000) == TRACKS["cifar10"].limited_epochs < epochs(None) == TRACKS["cifar10"].recipe.epochs


def test_epochs_asked_for_are_had_whatever_the_limit() -> None:
    assert epochs(2000, 3) == epochs(None, 3) == 3


def test_the_roster_says_what_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defenses.ROSTER, "extra", "defenses.ood:OutDistribution")
    monkeypatch.setitem(defenses.ROSTER, "broken", "no_such_module:X")
    usable, reasons = selecting.roster()
    assert usable == list(defenses.ROSTER)[:-1]
    assert len(reasons) == 1
    assert "'broken'" in reasons[0]


def test_a_selection_has_every_attack_unless_some_are_named() -> None:
    found = selecting.select(
        TRACKS["digits"],
        suites.load("table1"),
        defense_names=["naive"],
        attack_names=None,
        seeds=range(2),
        limit=None,
    )
    assert found.defenses == ("naive",)
    assert found.attacks == ("fgs", "ifgs", "tfgs", "deepfool", "deepfool_min", "cw")


@pytest.mark.parametrize(("text", "found"), [("1", [0]), ("3", [0, 1, 2]), ("5-7", [5, 6, 7]), (" 4-4 ", [4])])
def test_seeds_are_counted_or_named_by_the_first_and_the_last(text: str, found: list[int]) -> None:
    assert list(selecting.seeds(text)) == found


@pytest.mark.parametrize("text", ["0", "abc", "1.5", "", "7-5", "-3", "1-2-3", "1,2", "9" * 5000])
def test_a_text_that_names_no_seeds_is_refused_with_a_mend(text: str) -> None:
    with pytest.raises(InvalidConfig, match=r"--seeds '.*' names none; use how many, such as 3, or the first and"):
        selecting.seeds(text)


@pytest.mark.parametrize("text", ["20190707", "0-1000"])
def test_a_seed_s_name_is_not_taken_for_that_many(text: str) -> None:
    single = text.rpartition("-")[2]
    with pytest.raises(InvalidConfig, match=f"more than 1000; to run a single one, write it twice: {single}-{single}"):
        selecting.seeds(text)


def test_the_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert selecting.device("auto") == torch.device("cpu")
    with pytest.raises(InvalidConfig, match="finds no GPU"):
        selecting.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(selecting, "device_fault", lambda found: None)
    assert selecting.device("auto") == torch.device("cuda")
    assert selecting.device("cpu") == torch.device("cpu")


def test_a_gpu_that_does_not_compute_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_code_for_it(*_: object, device: torch.device) -> torch.Tensor:
        if device.type == "cpu":
            return torch.ones(1)
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "zeros", no_code_for_it)
    assert selecting.device("auto") == torch.device("cpu")
    said = r"^--device cuda: CUDA error: no kernel image is available for execution on the device; use --device cpu$"
    with pytest.raises(InvalidConfig, match=said):
        selecting.device("cuda")
    assert selecting.device("cpu") == torch.device("cpu")

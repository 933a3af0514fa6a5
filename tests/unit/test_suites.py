"""Suites: what a file may say, and the line that names a mistake."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
import torch

import attacks_cfg
from bench import suites
from bench.errors import InvalidConfig, UnknownName
from bench.seeding import generator
from bench.tracks import TRACKS

TEXT = """
title = "Mine"
permutation = 7

[[attack]]
name = "step"
title = "One step"
kind = "fgs"
source = "surrogate"
in_average = true
batch_size = 64
epsilon = 0.2

[attack.track.mnist]
epsilon = 0.3
images = 5
batch_size = 8
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_controls_are_called_after_their_attack_and_count_in_no_average() -> None:
    suite, plain = suites.load("controls"), suites.load("table1")
    names = [attack.name for attack in suite.attacks]
    assert names[:4] == ["fgs", "fgs_noise", "fgs_flipped", "fgs_shuffled"]
    assert len(names) == 20
    of_table1 = {attack.name: attack for attack in plain.attacks}
    for attack in suite.attacks:
        original = of_table1[attack.name.partition("_")[0]]
        for track in ("digits", "mnist", "cifar10"):
            assert attack.spec(track) == original.spec(track)
        assert attack.in_average == (attack.control is None)
        assert attack.batch_size == original.batch_size
    assert suite.attacks[2].title == "FGS, flipped"


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    suite = suites.load(written(tmp_path, TEXT))
    assert (suite.name, suite.title, suite.permutation) == ("mine", "Mine", 7)
    (attack,) = suite.attacks
    assert (attack.name, attack.title, attack.kind, attack.source) == ("step", "One step", "fgs", "surrogate")
    assert (attack.in_average, attack.batch_size, attack.images) == (True, 64, None)
    assert attack.spec("digits").parameters == {"epsilon": 0.2}
    assert attack.spec("mnist").parameters == {"epsilon": 0.3}
    assert attack.on("digits").tracks == {}
    resolved = attack.on("mnist")
    assert (resolved.batch_size, resolved.images, resolved.params, resolved.tracks) == (8, 5, {"epsilon": 0.3}, {})


def test_the_largest_permutation_can_be_drawn(tmp_path: Path) -> None:
    suite = suites.load(written(tmp_path, changed("permutation = 7", f"permutation = {2**63 - 1}")))
    order = torch.randperm(5, generator=generator(suite.permutation))
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("track", TRACKS)
def test_the_digest_is_of_what_the_suite_is_on_a_track(tmp_path: Path, track: str) -> None:
    def digest(text: str) -> str:
        return suites.load(written(tmp_path, text)).digest(track)

    assert digest("# a comment\n" + TEXT) == digest(TEXT)
    for old, new in (
        ("permutation = 7", "permutation = 8"),
        ("One step", "A step"),
        ("in_average = true", "in_average = false"),
    ):
        assert digest(changed(old, new)) != digest(TEXT), old
    # Of each value the file has one for mnist, and one for the other tracks.
    assert (digest(changed("epsilon = 0.3", "epsilon = 0.35")) != digest(TEXT)) == (track == "mnist")
    assert (digest(changed("epsilon = 0.2", "epsilon = 0.25")) != digest(TEXT)) == (track != "mnist")
    assert (digest(changed("batch_size = 8", "batch_size = 9")) != digest(TEXT)) == (track == "mnist")


def test_no_two_attacks_of_a_suite_have_one_identity() -> None:
    for name in suites.names():
        found = [str(attack.identity("digits")) for attack in suites.load(name).attacks]
        assert len(set(found)) == len(found)


def test_every_suite_that_ships_is_valid_on_every_track() -> None:
    assert "table1" in suites.names()
    for name in suites.names():
        suite = suites.load(name)
        assert suite.name == name
        for attack in suite.attacks:
            for track in TRACKS:
                assert attack.spec(track).work > 0


def test_table1_is_the_papers() -> None:
    attacks = {attack.name: attack for attack in suites.load("table1").attacks}
    assert list(attacks) == ["fgs", "ifgs", "tfgs", "deepfool", "deepfool_min", "cw"]
    specs = {name: attack.spec("mnist") for name, attack in attacks.items()}
    assert [specs[name].epsilons for name in attacks] == [0.2, 0.2, 0.2, None, None, None]
    assert specs["ifgs"].parameters["stepsize"] == 0.02
    assert specs["ifgs"].parameters["steps"] * 0.02 >= 0.2
    assert specs["deepfool"].parameters == {"steps": 50, "overshoot": 4.0}
    assert specs["cw"].kappa == attacks["cw"].spec("digits").kappa == 20
    assert specs["cw"].targets == ("least_likely", "most_likely")
    assert attacks["cw"].images == 100
    of_cifar10 = {name: attack.spec("cifar10") for name, attack in attacks.items()}
    assert [of_cifar10[name].epsilons for name in ("fgs", "ifgs", "tfgs")] == [0.03, 0.05, 0.03]
    assert of_cifar10["ifgs"].parameters["stepsize"] == 0.003
    assert of_cifar10["ifgs"].parameters["steps"] == 5
    assert of_cifar10["deepfool"].parameters["overshoot"] == 2.0
    assert of_cifar10["cw"].kappa == 10
    assert [name for name, attack in attacks.items() if not attack.in_average] == ["deepfool_min"]


@pytest.mark.parametrize("track", TRACKS)
def test_kappa_is_table1_s_attack_but_for_its_confidence(track: str) -> None:
    usual = next(attack for attack in suites.load("table1").attacks if attack.name == "cw").spec(track).parameters
    found = [attack.spec(track).parameters for attack in suites.load("kappa").attacks]
    assert [one["confidence"] for one in found] == [0.0, 10.0, 20.0]
    assert all(one | {"confidence": usual["confidence"]} == usual for one in found)


@pytest.mark.parametrize("track", TRACKS)
def test_epsilon_goes_through_the_budgets_from_a_quarter_of_table1_s_to_the_whole_range(track: str) -> None:
    suite, usual = suites.load("epsilon"), suites.load("table1")
    budget = next(attack for attack in usual.attacks if attack.name == "ifgs").spec(track).parameters["epsilon"]
    of_adaptive = next(attack for attack in suites.load("adaptive").attacks if attack.name == "pgd")
    assert suite.permutation == usual.permutation
    wanted = [pytest.approx(share * budget) for share in (0.25, 0.5, 1, 1.5, 2.5)]
    for kind, source, reach in (("ifgs", "surrogate", 2), ("pgd", "victim", 3)):
        attacks = [attack for attack in suite.attacks if attack.name.startswith(kind)]
        found = [attack.spec(track).parameters for attack in attacks]
        assert [one["epsilon"] for one in found] == [*wanted, 1.0]
        assert all(one["stepsize"] * one["steps"] == pytest.approx(reach * one["epsilon"]) for one in found)
        assert {(attack.source, attack.in_average) for attack in attacks} == {(source, source == "victim")}
    once = next(attack for attack in suite.attacks if attack.name == "pgd_once")
    assert once.spec(track).parameters == of_adaptive.spec(track).parameters
    assert once.images == of_adaptive.images


def test_adaptive_attacks_the_defense_itself_with_the_budgets_of_table1() -> None:
    suite = suites.load("adaptive")
    of_table1 = {attack.name: attack for attack in suites.load("table1").attacks}
    assert suite.permutation == suites.load("table1").permutation
    assert [attack.name for attack in suite.attacks] == ["fgs", "ifgs", "pgd", "deepfool", "deepfool_min", "cw"]
    assert [attack.name for attack in suite.attacks if attack.in_average] == ["pgd"]
    for attack in suite.attacks:
        assert (attack.source, attack.images is not None) == ("victim", True)
        if attack.name not in of_table1:
            continue
        original = of_table1[attack.name]
        assert (original.source, attack.title) == ("surrogate", original.title)
        for track in TRACKS:
            ours, theirs = attack.spec(track), original.spec(track)
            assert (ours.epsilons, ours.targets) == (theirs.epsilons, theirs.targets)
            assert ours.parameters.get("stepsize") == theirs.parameters.get("stepsize")
            assert ours.parameters.get("overshoot") == theirs.parameters.get("overshoot")


@pytest.mark.parametrize("track", TRACKS)
def test_adaptive_lets_no_defense_off(track: str) -> None:
    attacks = {attack.name: attack.spec(track) for attack in suites.load("adaptive").attacks}
    for steps in (attacks["ifgs"].parameters, attacks["pgd"].parameters):
        assert steps["epsilon"] == attacks["ifgs"].epsilons
        assert steps["steps"] * steps["stepsize"] >= 2 * steps["epsilon"] - 1e-9  # it can cross its whole budget
    assert attacks["cw"].kappa == 0  # a detector's rejection may stay within a hair of its best class


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (changed("epsilon = 0.2", "epsilon = -1"), "attack step: epsilon: should be greater than 0, not -1"),
        (changed("epsilon = 0.2", 'epsilon = "abc"'), "attack step: epsilon: should be a valid number, not 'abc'"),
        (changed("epsilon = 0.2", "epsilon = 0.2\nsteps = 3"), "attack step: steps: unknown key"),
        (changed("epsilon = 0.2", ""), "attack step: epsilon: missing"),
        (changed("epsilon = 0.3", "epsilon = nan"), "attack step: track.mnist: epsilon: should be a finite number"),
        (changed("batch_size = 8", "batch_size = 0"), "attack step: track.mnist: batch_size: should be greater than 0"),
        (changed("batch_size = 8", 'name = "b"'), "attack step: track.mnist: name: cannot differ by track"),
        (changed("track.mnist", "track.mnits"), "attack step: track.mnits: unknown track, did you mean 'mnist'?"),
        (changed("permutation = 7", "permutation = 7\nseed = 1"), "seed: unknown key"),
        (changed("permutation = 7", "permutation = true"), "permutation: should be a valid integer, not True"),
        (changed("permutation = 7", "permutation = -1"), "permutation: should be greater than or equal to 0, not -1"),
        (changed("= 7", f"= {2**63}"), f"permutation: should be less than {2**63}, not {2**63}"),
        (changed("= 7", f"= {2**200}"), f"permutation: should be less than {2**63}, not {2**200}"),
        (changed("permutation = 7", ""), "permutation: missing"),
        (changed('title = "Mine"', "title = 3"), "title: should be a valid string, not 3"),
        (changed('kind = "fgs"', 'kind = "fsg"'), "attack step: kind: unknown kind 'fsg', did you mean 'fgs'?"),
        (changed('kind = "fgs"', ""), "attack step: kind: missing"),
        (
            changed('"fgs"', '"tfgs"\ntargets = ["rejection"]'),
            "attack step: source: should be 'victim': no other network",
        ),
        (
            changed('"fgs"', '"tfgs"\ntargets = ["rejection"]').replace('"surrogate"', '"victim"'),
            "attack step: in_average: should be false: what is to be rejected makes no error",
        ),
        (changed('source = "surrogate"', 'source = "mine"'), "attack step: source: should be 'surrogate', 'twin' or"),
        (changed("in_average = true", "in_average = 1"), "attack step: in_average: should be a valid boolean, not 1"),
        (changed("batch_size = 64", "batch_size = 64\nimages = 0"), "attack step: images: should be greater than 0"),
        (changed('name = "step"', 'name = "One step"'), "attack One step: name: "),
        (changed('name = "step"', 'name = "clean"'), "attack clean: name: reserved"),
        (changed('name = "step"', 'name = "out:letters"'), "attack out:letters: name: reserved"),
        (changed('name = "step"', ""), "attack 1: name: missing"),
        (TEXT + TEXT[TEXT.index("[[attack]]") :], "attack step: 2 attacks have this name"),
        ('title = "Mine"\npermutation = 7\n', "an empty suite"),
        ('title = "Mine"\npermutation = 7\nattack = []\n', "an empty suite"),
        ('title = "Mine"\npermutation = 7\nattack = 3\n', "attack: should be a valid list, not 3"),
        ("", "an empty suite"),
        ("title = \n", "not TOML: Invalid value (at line 1, column 9)"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, line: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidConfig) as caught:
        suites.load(path)
    assert str(caught.value).startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"absent\.toml: No such file"):
        suites.load(tmp_path / "absent.toml")
    mine = tmp_path / "kappa.toml"
    mine.write_text((Path(attacks_cfg.__file__).parent / "table1.toml").read_text())
    with pytest.raises(
        InvalidConfig, match=r"kappa\.toml: 'kappa' is the name of a suite that ships .* rename the file"
    ):
        suites.load(mine)
    shipped = suites.load(Path(attacks_cfg.__file__).parent / "kappa.toml")
    assert shipped.digest("mnist") == suites.load("kappa").digest("mnist")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfig, match="not TOML"):
        suites.load(str(path))


@pytest.mark.parametrize("name", ["my suite", "Mine", "-mine", "mine.v2"])
def test_a_file_whose_name_no_table_can_bear_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfig, match=rf"^{re.escape(name)}\.toml: the tables' files get its name; rename it"):
        suites.load(f"{name}.toml")


def test_an_unknown_suite_is_met_with_a_near_name() -> None:
    with pytest.raises(UnknownName, match="unknown suite 'tabel1', did you mean 'table1'"):
        suites.load("tabel1")

"""The parameters of attacks: what is refused, and with which line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from bench import attacks
from bench.attacks.foolbox_import import LinfBasicIterativeAttack, LinfFastGradientAttack
from bench.errors import InvalidConfig

CW: dict[str, Any] = {
    "binary_search_steps": 2,
    "steps": 10,
    "stepsize": 0.1,
    "confidence": 5,
    "initial_const": 1.0,
    "abort_early": True,
    "targets": ["most_likely", "least_likely"],
}


@pytest.mark.parametrize(
    ("kind", "params", "line"),
    [
        ("fgs", {"epsilon": -1}, "here: epsilon: should be greater than 0, not -1"),
        ("fgs", {"epsilon": "abc"}, "here: epsilon: should be a valid number, not 'abc'"),
        ("fgs", {"epsilon": float("nan")}, "here: epsilon: should be a finite number, not nan"),
        ("fgs", {"epsilon": True}, "here: epsilon: should be a valid number, not True"),
        ("fgs", {}, "here: epsilon: missing, every parameter must be written out"),
        ("fgs", {"epsilon": 0.2, "stepsize": 1}, "here: stepsize: unknown key, known: epsilon"),
        ("fgs", {"epsilon": 0.2, "epsilom": 1}, "here: epsilom: unknown key, did you mean 'epsilon'?"),
        ("ifgs", {"epsilon": 0.2, "stepsize": 0.1, "steps": 0}, "here: steps: should be greater than 0, not 0"),
        ("ifgs", {"epsilon": 0.2, "stepsize": 0.1, "steps": 1.5}, "here: steps: should be a valid integer, not 1.5"),
        ("fsg", {"epsilon": 0.2}, "here: kind: unknown kind 'fsg', did you mean 'fgs'?"),
        (
            "zzz",
            {},
            "here: kind: unknown kind 'zzz', known: cw, deepfool, fgs, ifgs, pgd, tfgs, tpgd",
        ),
        (
            "deepfool",
            {"steps": 5, "overshoot": -0.1},
            "here: overshoot: should be greater than or equal to 0",
        ),
        ("cw", {**CW, "abort_early": 1}, "here: abort_early: should be a valid boolean, not 1"),
        (
            "cw",
            {**CW, "targets": ["likely"]},
            "here: targets.0: should be 'least_likely', 'most_likely' or 'rejection', not",
        ),
        (
            "cw",
            {**CW, "targets": ["rejection", "most_likely"]},
            "here: targets: rejection is no class, and stands alone",
        ),
        ("cw", {**CW, "targets": ["most_likely"] * 2}, "here: targets: names a target twice"),
        ("cw", {**CW, "aims": ["most_likely"]}, "here: aims: unknown key"),
        ("tfgs", {"epsilon": 0.2, "targets": []}, "here: targets: "),
        ("tfgs", {"epsilon": 0.2, "targets": "least_likely"}, "here: targets: "),
    ],
)
def test_a_mistake_is_one_line_that_names_place_key_and_reason(kind: str, params: dict[str, Any], line: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        attacks.spec(kind, params, where="here")
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_specs_say_what_the_engine_must_know() -> None:
    fgs = attacks.spec("fgs", {"epsilon": 0.2})
    assert (fgs.epsilons, fgs.targets, fgs.kappa, fgs.work) == (0.2, (), None, 3)
    ifgs = attacks.spec("ifgs", {"epsilon": 0.2, "stepsize": 0.02, "steps": 10})
    assert (ifgs.epsilons, ifgs.targets, ifgs.kappa, ifgs.work) == (0.2, (), None, 30)
    tfgs = attacks.spec("tfgs", {"epsilon": 0.2, "targets": ["least_likely"]})
    assert (tfgs.epsilons, tfgs.targets, tfgs.kappa, tfgs.work) == (0.2, ("least_likely",), None, 3)
    deepfool = attacks.spec("deepfool", {"steps": 2, "overshoot": 0.02})
    assert (deepfool.epsilons, deepfool.targets, deepfool.kappa, deepfool.work) == (None, (), None, 38)
    cw = attacks.spec("cw", CW)
    assert (cw.epsilons, cw.targets, cw.kappa) == (None, ("most_likely", "least_likely"), 5)
    assert cw.work < attacks.spec("cw", {**CW, "abort_early": False}).work == 60


def test_parameters_are_those_that_a_suite_writes() -> None:
    assert attacks.spec("cw", CW).parameters == CW


def test_trap_4_targeted_fgs_is_a_one_step_iterative_attack() -> None:
    attack = attacks.make("tfgs", epsilon=0.2, targets=["least_likely"])
    assert isinstance(attack, LinfBasicIterativeAttack)
    assert (attack.steps, attack.rel_stepsize, attack.abs_stepsize, attack.random_start) == (1, 1.0, None, False)
    assert isinstance(attacks.make("fgs", epsilon=0.2), LinfFastGradientAttack)


def test_trap_6_foolbox_is_imported_without_git_and_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import bench.attacks"],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

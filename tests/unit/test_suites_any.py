"""Suites, whatever a file holds: a suite comes out, or one line that names what is wrong."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench import suites
from bench.errors import InvalidConfig
from tests.conftest import QUICK

CONTENT: dict[str, Any] = tomllib.loads(QUICK.read_text())
KEYS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
PLACES = [(number, key) for number, attack in enumerate(CONTENT["attack"]) for key in attack]


def with_attack(number: int, **changes: Any) -> dict[str, Any]:
    attacks = [dict(attack) for attack in CONTENT["attack"]]
    attacks[number].update(changes)
    return {**CONTENT, "attack": attacks}


@given(st.dictionaries(KEYS | st.sampled_from(["title", "permutation", "attack"]), VALUES, max_size=4))
def test_any_content_is_a_suite_or_one_line(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match=r"^any\.toml: ") as caught:
        suites.parse(content, "any", "any.toml")
    assert "\n" not in str(caught.value)


@given(st.sampled_from(PLACES), VALUES)
def test_any_value_of_any_key_is_taken_or_named(place: tuple[int, str], value: Any) -> None:
    number, key = place
    try:
        suite = suites.parse(with_attack(number, **{key: value}), "any", "any.toml")
    except InvalidConfig as error:
        told = str(error)
    else:
        told = f"any.toml: attack {len(suite.attacks)} attacks"
    assert told.startswith("any.toml: attack ")
    assert "\n" not in told


@given(st.integers(0, 2), KEYS, VALUES)
def test_an_unknown_key_is_named(number: int, key: str, value: Any) -> None:
    attack = CONTENT["attack"][number]
    assume(key not in {*attack, "images", "track"})
    with pytest.raises(InvalidConfig, match=rf"any\.toml: attack {attack['name']}: {key}: unknown key"):
        suites.parse(with_attack(number, **{key: value}), "any", "any.toml")


@given(st.floats(min_value=1e-9, max_value=1.0), st.integers(0, 2**63 - 1))
def test_what_is_written_is_what_is_run(tmp_path_factory: pytest.TempPathFactory, epsilon: float, order: int) -> None:
    text = QUICK.read_text().replace("epsilon = 0.2", f"epsilon = {epsilon!r}")
    file: Path = tmp_path_factory.mktemp("suite") / "mine.toml"
    file.write_text(text.replace("permutation = 1", f"permutation = {order}"))
    suite = suites.load(file)
    assert suite.permutation == order
    assert suite.attacks[0].spec("digits").epsilons == epsilon
    assert (suite.digest("digits") == suites.load(QUICK).digest("digits")) == ((epsilon, order) == (0.2, 1))


@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_in_a_table_does_not_change_the_digest(random: Any) -> None:
    shuffled = []
    for attack in CONTENT["attack"]:
        pairs = list(attack.items())
        random.shuffle(pairs)
        shuffled.append(dict(pairs))
    one = suites.parse({**CONTENT, "attack": shuffled}, "any", "any.toml")
    assert one.digest("digits") == suites.parse(CONTENT, "any", "any.toml").digest("digits")

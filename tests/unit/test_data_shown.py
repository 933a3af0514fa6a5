"""Which data sets are shown as at hand, and how the others are said to be got."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from bench import data
from bench.data import keras_npz

Cli = Callable[..., Result]


def test_every_set_is_shown_with_its_origin_or_the_command_that_gets_it(cli: Cli) -> None:
    keras_npz.write(Path("data/mnist.npz"), {"x_train": np.zeros(1)})
    rows = {line.split()[0]: line for line in cli("data").stdout.splitlines() if line}
    assert rows.keys() >= set(data.names())
    assert rows["digits"].split()[1:3] == ["embedded:", "scikit-learn"]
    assert rows["digits"].endswith("nothing to do")
    assert rows["mnist"].split()[1:] == ["mnist.npz", "nothing", "to", "do"]
    mend = "put notmnist.npz in the Keras layout into data, or run: python -m bench data fetch notmnist"
    assert rows["notmnist"].split(maxsplit=2)[1:] == ["missing", mend]


@pytest.mark.parametrize(
    ("folder", "option"), [("data", ""), ("other", " --data-dir other"), ("a b", " --data-dir 'a b'")]
)
def test_the_command_names_the_folder_unless_it_is_the_default(cli: Cli, folder: str, option: str) -> None:
    shown = cli("data", "--data-dir", folder).stdout
    assert shown.startswith(f"data folder: {folder}\n")
    assert f"python -m bench data fetch mnist{option}\n" in shown
    mend = f"put mnist.npz in the Keras layout into {folder}, or run: python -m bench data fetch mnist{option}"
    assert cli("run", "mnist", "--data-dir", folder).stderr.splitlines() == [
        f"error: track 'mnist' is left out: mnist: not at hand: {mend}"
    ]

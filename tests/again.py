"""A published track's figures again, from the stored predictions; shares no code with the project."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests import recompute

PUBLISHED = Path(__file__).parents[1] / "leaderboard" / "published"
TRACKS = sorted(path.name.removesuffix(".cells.csv") for path in PUBLISHED.glob("*.cells.csv"))
RATES = ("acc", "rej", "err")
QUALITY = ("source_err", "hit_target", "reached_kappa", "median_l2", "median_linf")
DENOMINATORS = ("all", "fooled", "victim_correct")

Triple = tuple[float, float, float]
"""A mean over the seeds, and the ends of its interval."""


class Again:
    """A track's figures, computed again; or those of some of its defenses on some of their seeds."""

    def __init__(self, track: str, chosen: tuple[int, ...] | None = None) -> None:
        cells, about, self.wrong, self.refused = cells_of(PUBLISHED, track)
        seeds = {defense: {seed for other, *_, seed in cells if other == defense} for defense, _ in about}
        if chosen is not None:
            seeds = {defense: {*chosen} for defense, own in seeds.items() if {*chosen} <= own}
        self.cells = {names: figures for names, figures in cells.items() if names[3] in seeds.get(names[0], ())}
        self.about = {names: meta for names, meta in about.items() if names[0] in seeds}
        self.seeds_of = {defense: sorted(own) for defense, own in seeds.items()}
        self.seeds = max(self.seeds_of.values(), key=len)
        self.titles = {defense: meta["defense_title"] for (defense, _), meta in self.about.items()}
        self.defenses = {defense: title + self.fewer(defense) for defense, title in self.titles.items()}
        self.attacks: dict[str, dict[str, Any]] = {attack: meta for (_, attack), meta in self.about.items()}

    def fewer(self, defense: str) -> str:
        """Return what stands behind the title of a defense that lacks seeds which others have."""
        own = self.seeds_of[defense]
        return "" if own == self.seeds else f" ({seeds_text(own)})"

    def n(self, defense: str, attack: str, denominator: str = "all") -> int:
        return int(sum(self.cells[defense, attack, denominator, seed]["n"] for seed in self.seeds_of[defense]))

    def of_seeds(self, defense: str, attack: str, figure: str, denominator: str = "all") -> list[float]:
        """Return a figure of every seed that has any image."""
        found = [self.cells[defense, attack, denominator, seed] for seed in self.seeds_of[defense]]
        return [figures[figure] for figures in found if figures["n"]]

    def over(self, defense: str, attack: str, figure: str, denominator: str = "all") -> Triple:
        values = self.of_seeds(defense, attack, figure, denominator)
        if len(values) != 1 or figure not in RATES:
            return over(values)
        if attack.startswith("out:") and figure == "acc":
            return (0.0, 0.0, 0.0)  # no class is right, by definition
        return (values[0], *recompute.wilson(values[0], self.n(defense, attack, denominator)))

    def sees(self, defense: str, out: str) -> bool:
        """Whether a defense was trained on other images of an out-distribution set."""
        about = self.about[defense, "clean"]
        return out.removeprefix("out:") in about["data"] and any(of["out"] for of in about["taken"].values())

    def average(self, defense: str, rate: str = "err") -> Triple:
        counted = [attack for attack, meta in self.attacks.items() if meta["in_average"]]
        values = np.mean([self.of_seeds(defense, attack, rate) for attack in counted], axis=0).tolist()
        if len(values) != 1:
            return over(values)
        return (values[0], *self.over_images(defense))

    def other_images(self, defense: str) -> float:
        """Return the longer reach of the average's interval over the images."""
        low, high = self.over_images(defense)
        seeds = self.seeds_of[defense]
        shares = [of[1].mean() for key, of in self.wrong.items() if key[0] == defense and key[2] in seeds]
        return float(max(np.mean(shares) - low, high - np.mean(shares)))

    def over_images(self, defense: str) -> tuple[float, float]:
        """Return the average's interval over the images, with all that came of each: near to a bootstrap's."""
        seeds = self.seeds_of[defense]
        made = [made for key, made in self.wrong.items() if key[0] == defense and key[2] in seeds]
        return recompute.over_images(made)

    def worst_case(self, defense: str) -> tuple[int, Triple]:
        """Return how many source images all attacks that count were handed, and the share that any made an error of."""
        counts, shares = [], []
        for seed in self.seeds_of[defense]:
            made = [pair for (name, _, of_seed), pair in self.wrong.items() if (name, of_seed) == (defense, seed)]
            shared = set.intersection(*({*index.tolist()} for index, _ in made))
            lost = shared & set().union(*(index[wrong].tolist() for index, wrong in made))
            counts.append(len(shared))
            shares.append(len(lost) / len(shared))
        n = sum(counts)
        return n, over(shares) if len(shares) > 1 else (shares[0], *recompute.wilson(shares[0], n))

    def withstood(self, defense: str, rejecting: Sequence[str]) -> tuple[int, Triple]:
        """Return of how many source images which share no attack makes an error of, nor ``rejecting`` a rejection.

        They are those that all attacks of the page were handed.
        """
        counts, shares = [], []
        for seed in self.seeds_of[defense]:
            made = [pair for (name, _, of_seed), pair in self.wrong.items() if (name, of_seed) == (defense, seed)]
            others = {
                attack: pair for (name, attack, of), pair in self.refused.items() if (name, of) == (defense, seed)
            }
            shared = set.intersection(*({*index.tolist()} for index, _ in [*made, *others.values()]))
            made += [others[attack] for attack in rejecting]
            lost = set[int]().union(*(index[met].tolist() for index, met in made))
            counts.append(len(shared))
            shares.append(len(shared - lost) / len(shared))
        return sum(counts), over(shares)

    def boards(self) -> dict[str, tuple[int, ...]]:
        """Return the seeds of each leaderboard by its heading."""
        choices = {tuple(own) for own in self.seeds_of.values()} - {tuple(self.seeds)}
        return {"Leaderboard": tuple(self.seeds)} | {f"Leaderboard of {seeds_text(own)} alone": own for own in choices}


again = cache(Again)
cells_of = cache(recompute.cells)


def seeds_text(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def over(values: list[float]) -> Triple:
    """Return the mean of the seeds' values and its interval, which is a point where they are equal."""
    if not values:
        return (math.nan, math.nan, math.nan)
    ends = recompute.over_seeds(values) if max(values) > min(values) else (values[0], values[0])
    return (float(np.mean(values)), *ends)

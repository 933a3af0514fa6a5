"""What there is to run, for people: tracks, defenses, suites, data sets."""

from __future__ import annotations

from pathlib import Path

from tabulate import tabulate

import defenses
from bench import data, selecting, suites
from bench.tracks import TRACKS


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a plain table of text."""
    return tabulate(rows, heads, tablefmt="simple", disable_numparse=True)


def everything() -> str:
    """Return the tracks, the defenses, and the suites with their attacks."""
    tracks = [
        [track.name, track.title, track.architecture, ", ".join(track.out_tests), ", ".join(track.near_tests)]
        for track in TRACKS.values()
    ]
    usable, broken = selecting.roster()
    roster = [[name, defenses.load(name).title, defenses.load(name).source] for name in usable]
    attacks = [
        [suite.name, attack.name, attack.title, attack.source]
        for suite in map(suites.load, suites.names())
        for attack in suite.attacks
    ]
    return "\n\n".join(
        (
            table(["track", "data", "architecture", "out-distribution tests", "and where at hand"], tracks),
            table(["defense", "shown as", "source"], roster),
            *(f"not usable: {reason}" for reason in broken),
            table(["suite", "attack", "shown as", "attacked network"], attacks),
        )
    )


def data_sets(data_dir: Path) -> str:
    """Return which data sets are at hand, from where, and for those that are not, how to get them."""
    places = [data.locate(name, data_dir) for name in data.names()]
    rows = [[place.name, place.origin or "missing", place.mend or "nothing to do"] for place in places]
    return f"data folder: {data_dir}\n\n{table(['data set', 'from', 'how to get it'], rows)}"

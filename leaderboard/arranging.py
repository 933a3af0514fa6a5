"""Checks that records make one table, and puts them in the order in which tables show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench import canonical
from bench.errors import BenchError
from bench.records import OUT_SET, DataOrigin, Header, Record, seeds_by_defense
from bench.tracks import TRACKS


def arranged(records: Sequence[Record]) -> list[Record]:
    """Return the records by defense and attack, in the order of their first appearance, then by seed.

    Raises ``BenchError`` where there are none, where two are of the same cell, or where they must not be compared: of
    several tracks, architectures, suites, limits, epochs, precisions or data, of several networks of one defense and
    seed, or scored on different images of one attack and seed.
    """
    if not records:
        raise BenchError("no records: run the track first, then report on it")
    for field in ("track", "architecture", "suite", "suite_digest", "limit", "epochs", "precision"):
        found = sorted({str(getattr(record.header, field)) for record in records})
        if len(found) > 1:
            raise BenchError(f"records differ in {field} ({', '.join(found)}): make a table of each")
    data_origins(records)
    defenses = list(dict.fromkeys(record.header.defense for record in records))
    attacks = list(dict.fromkeys(record.header.attack for record in records))
    order = {}
    for record in records:
        header = record.header
        place = (defenses.index(header.defense), attacks.index(header.attack), header.seed)
        if place in order:
            raise BenchError(
                f"two records of {header.defense} under {header.attack}, seed {header.seed}: hand over one"
            )
        order[place] = record
    found_records = [order[place] for place in sorted(order)]
    _same_networks(found_records)
    _same_images(found_records)
    return found_records


def data_origins(records: Sequence[Record]) -> dict[str, DataOrigin]:
    """Return the data sets that the records were made from, by name.

    Raises ``BenchError`` where two of a name differ.
    """
    found: dict[str, DataOrigin] = {}
    for record in records:
        for name, origin in record.header.data.items():
            if found.setdefault(name, origin).digest != origin.digest:
                raise BenchError(
                    f"records were made from different data called {name} "
                    f"({found[name].digest[:12]}, {origin.digest[:12]}): make a table of each"
                )
    return {name: found[name] for name in sorted(found)}


def _same_networks(records: Sequence[Record]) -> None:
    """Raise ``BenchError`` where records of one defense and seed are of different networks."""
    first: dict[tuple[str, int], str] = {}
    for record in records:
        header = record.header
        if first.setdefault((header.defense, header.seed), record.inputs["victim"]) != record.inputs["victim"]:
            raise BenchError(
                f"the records of {header.defense}, seed {header.seed}, are of several trainings: run the track again"
            )


def _same_images(records: Sequence[Record]) -> None:
    """Raise ``BenchError`` where defenses that share an attack's images were scored on different ones."""
    first: dict[tuple[str, int], Record] = {}
    for record in records:
        header = record.header
        if header.kind != "attack" or header.source == "victim":
            continue  # other images are the data's, and a victim is attacked by itself
        other = first.setdefault((header.attack, header.seed), record)
        if record.inputs["craft"] != other.inputs["craft"]:
            raise BenchError(
                f"{header.defense} and {other.header.defense} were scored on different images of {header.attack}, "
                f"seed {header.seed}: run the track again"
            )


def plain_titles(records: Sequence[Record]) -> dict[str, str]:
    """Return each defense's title, by name, with the name behind it where another has the same title."""
    shown = {record.header.defense: record.header.defense_title for record in records}
    several = [title for title in shown.values() if list(shown.values()).count(title) > 1]
    return {name: f"{title} ({name})" if title in several else title for name, title in shown.items()}


def titles(records: Sequence[Record]) -> dict[str, str]:
    """Return how tables show each defense, by name: its title, and its seeds where it lacks some that others have."""
    seeds = seeds_by_defense(records)
    most = max(seeds.values(), key=len, default=())
    return {
        name: title if seeds[name] == most else f"{title} ({seeds_text(seeds[name])})"
        for name, title in plain_titles(records).items()
    }


def trained_on(records: Sequence[Record], what: str) -> bool:
    """Return whether a defense, or what it stands on, was trained on ``what``: ``out`` or ``attacks``.

    ``records`` are of that defense alone.
    """
    return any(taken.get(what) for record in records for taken in record.header.taken.values())


def seen_sets(records: Sequence[Record]) -> dict[str, list[str]]:
    """Return the out-distribution sets that each defense was trained on other images of, by its name."""
    at_hand = {name for record in records if record.header.kind == "clean" for name in record.header.data}
    outs = dict.fromkeys(record.header.attack for record in records if record.header.kind == "out")
    sets = [name for name in (out.removeprefix(OUT_SET) for out in outs) if name in at_hand]
    return {
        defense: sets if trained_on([record for record in records if record.header.defense == defense], "out") else []
        for defense in dict.fromkeys(record.header.defense for record in records)
    }


def seeds_text(seeds: Sequence[int]) -> str:
    """Return seeds as people are shown them, such as ``seeds 0, 1``."""
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def lacking_text(seeds: Iterable[Iterable[int]], wanted: Iterable[int]) -> str:
    """Return in words what the seeds of some are that lack some of those wanted: ``fewer``, or ``other or fewer``."""
    return "fewer" if all({*own} <= {*wanted} for own in seeds) else "other or fewer"


def epochs_text(header: Header) -> str:
    """Return, as a sentence goes on, for how long a run trained that has epochs of its own; else nothing."""
    known = TRACKS.get(header.track)
    own = f" in place of {known.epochs(header.limit)}" if known is not None else ""
    epochs = f"{header.epochs} epoch{'' if header.epochs == 1 else 's'}"
    return "" if header.epochs is None else f", networks trained for {epochs}{own}"


def parameters_text(parameters: dict[str, object]) -> str:
    """Return an attack's parameters on one line, in their own order."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else canonical.encode(value).decode()}"
        for name, value in parameters.items()
    )

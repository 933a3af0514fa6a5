"""Where the paper contradicts itself about Table I, worked out from its printed figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.records import OUT_SET
from leaderboard import paper
from leaderboard.paper import AVERAGE, PaperCell

CW = "cw"
CW_IMAGES = 200
"""Images that C&W made for each data set: 100, with two targets each (section VI)."""

ROUNDING = 0.0051
"""Per cent by which a rate printed with two decimals may differ from the true one."""

TEXT: Mapping[tuple[str, str, str], str] = {
    ("mnist", "naive", AVERAGE): "79",
    ("cifar10", "naive", AVERAGE): "55",
    ("cifar10", "ood_interp", AVERAGE): "24",
    ("mnist", "ood_interp", "fgs"): "1",
    ("mnist", "ood_interp", CW): "15.1",
}
"""Err in per cent where section VI names it in words, by column, defense and attack."""

TRAINED = 50_000
"""Training images of either data set (section VI)."""

ADDED: Mapping[str, int] = {"mnist": 25_000, "cifar10": 30_000}
"""Images of the dustbin that section VI adds to them for +OOD+interp, by column; for +OOD alone it gives no number."""

INCREASE = 50
"""Per cent by which they are increased (section V)."""

ALL = 99.5
"""Per cent from which on it is all."""

MOST = 50.0
"""Per cent beyond which it is most."""


def contradictions(column: str) -> list[str]:
    """Return the contradictions in a column of the table, a sentence each."""
    cells = paper.column(column)
    return [
        *_text(column, cells),
        *_sums(cells),
        *_averages(cells),
        *_fractions(cells),
        *_dustbin(column),
        *_rejected(cells),
    ]


def _text(column: str, cells: Mapping[tuple[str, str], PaperCell]) -> Iterator[str]:
    for (of, defense, attack), said in TEXT.items():
        printed = cells[defense, attack].err if of == column else said
        if abs(float(printed) - float(said)) > 0.5 * 10 ** -_decimals(said):
            yield f"Err of `{defense}` under `{attack}` is {said}% in the text, {printed}% in the table."


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _sums(cells: Mapping[tuple[str, str], PaperCell]) -> Iterator[str]:
    for (defense, attack), cell in cells.items():
        if cell.acc and cell.rej and cell.err:
            total = float(cell.acc) + float(cell.rej) + float(cell.err)
            if abs(total - 100) > 3 * ROUNDING:
                yield f"Acc, Rej and Err of `{defense}` under `{attack}` sum to {total:.2f}%."


def _averages(cells: Mapping[tuple[str, str], PaperCell]) -> Iterator[str]:
    attacks = sorted(paper.attacks(cells))
    for defense in dict.fromkeys(name for name, _ in cells):
        mean = sum(float(cells[defense, attack].err) for attack in attacks) / len(attacks)
        printed = cells[defense, AVERAGE].err
        if abs(mean - float(printed)) > 2 * ROUNDING:
            yield f"The mean of `{defense}`'s printed Err is {mean:.2f}%, its printed average {printed}%."


def _fractions(cells: Mapping[tuple[str, str], PaperCell]) -> Iterator[str]:
    odd = [
        f"{rate}%"
        for (_, attack), cell in cells.items()
        if attack == CW
        for rate in (cell.acc, cell.rej, cell.err)
        if rate
        and abs(float(rate) * CW_IMAGES / 100 - round(float(rate) * CW_IMAGES / 100)) > CW_IMAGES * ROUNDING / 100
    ]
    if odd:
        yield f"C&W has {CW_IMAGES} images; {', '.join(odd)} are no multiples of 1/{CW_IMAGES}."


def _dustbin(column: str) -> Iterator[str]:
    share = 100 * ADDED[column] / TRAINED
    if share != INCREASE:
        yield (
            f"Section V increases the training set by {INCREASE}%; the dustbin of `ood_interp` has {ADDED[column]:,} "
            f"images beside {TRAINED:,}, which is {share:.0f}%."
        )


def _rejected(cells: Mapping[tuple[str, str], PaperCell]) -> Iterator[str]:
    outs = [
        f"{cell.rej}% of them rejected by `{defense}`"
        for (defense, attack), cell in cells.items()
        if attack.startswith(OUT_SET) and cell.rej and float(cell.rej) < ALL
    ]
    if outs:
        yield f"Section V has all natural out-distribution images in the dustbin; the table has {', '.join(outs)}."
    rej, acc = (_mean(cells, "ood_interp", rate) for rate in ("rej", "acc"))
    if rej <= MOST:
        yield (
            "Section VI has most adversarial images rejected and a small portion classified correctly; of `ood_interp` "
            f"the table has, on average, {rej:.1f}% rejected and {acc:.1f}% classified correctly."
        )
    alone = _mean(cells, "ood", "rej")
    if alone <= MOST:
        yield (
            "The introduction has most adversarial images set apart by natural out-distribution images alone; the "
            f"table has, on average, {alone:.1f}% of them rejected by `ood`."
        )


def _mean(cells: Mapping[tuple[str, str], PaperCell], defense: str, rate: str) -> float:
    attacks = paper.attacks(cells)
    return sum(float(getattr(cells[defense, attack], rate)) for attack in attacks) / len(attacks)

"""The pages on speed: what they call faster, behind, and equal."""

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard import peers_page, speed_page
from leaderboard.index import write_index

MACHINE = {
    "processor": "A processor",
    "cores": 2,
    "device": "cpu",
    "threads": 2,
    "platform": "Linux",
    "versions": {"python": "3.11", "torch": "2.6", "eagerpy": "0.30"},
}


def row(library: str, seconds: list[float], success: float = 1.0, l2: float = 1.0) -> dict[str, Any]:
    return {
        "attack": "deepfool",
        "library": library,
        "version": "1.0" if seconds else None,
        "note": "" if seconds else "not installed",
        "seconds": seconds,
        "success": success if seconds else None,
        "l2": l2 if seconds else None,
        "linf": 0.2 if seconds else None,
        "forwards": 3.0 if seconds else None,
        "memory": None,
        "images": 500,
        "parameters": {"steps": 50},
    }


def figures(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"track": "mnist", "created": "2026-01-02T03:04:05+00:00", "machine": MACHINE, "rows": list(rows)}


OURS = row("rejectbench", [1.0, 2.0, 4.0])
STOCK = row("Foolbox", [4.0, 8.0, 16.0])


def test_the_ratio_is_that_of_the_same_rounds() -> None:
    peer = row("adv-lib", [1.5, 3.0, 6.0])
    page = peers_page.page(figures(OURS, STOCK, peer))
    assert "**DeepFool**: 1.50 times as fast as adv-lib (1.50 to 1.50 by round), the fastest of those" in page
    assert "those that do as well; 4.00 times as fast as stock Foolbox" in page
    assert "the fastest mix of libraries that do as well 3.0 s, 1.50 times as long" in page
    assert "A processor, 2 cores, 2 threads, Linux, python 3.11, torch 2.6" in page


@pytest.mark.parametrize("worse", [{"success": 0.9}, {"l2": 1.02}])
def test_who_does_worse_is_shown_and_not_compared_with(worse: dict[str, float]) -> None:
    page = peers_page.page(figures(OURS, STOCK, row("adv-lib", [0.1, 0.1, 0.1], **worse)))
    assert "4.00 times as fast as Foolbox (4.00 to 4.00 by round), the fastest of those that do as well" in page
    assert "| adv-lib 1.0" in page


def test_where_rounds_disagree_no_difference_is_told() -> None:
    page = peers_page.page(figures(OURS, STOCK, row("adv-lib", [0.9, 2.2, 4.4])))
    assert "1.10 times as fast as adv-lib (0.90 to 1.10 by round: no difference told)" in page


def test_a_loss_is_named() -> None:
    page = peers_page.page(figures(OURS, STOCK, row("adv-lib", [0.5, 1.0, 2.0])))
    assert "**DeepFool**: **behind**, 0.50 times as fast as adv-lib" in page


def test_what_is_not_installed_has_a_line_without_figures(tmp_path: Path) -> None:
    (tmp_path / peers_page.FIGURES).write_text(json.dumps(figures(OURS, STOCK, row("ART", []))))
    peers_page.write_page(tmp_path)
    line = next(line for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith("| ART"))
    assert line.count("–") == 7
    assert "not installed" in line
    rates = (tmp_path / "peers.csv").read_text().splitlines()
    assert rates[1].startswith("deepfool,rejectbench,1.0,500,2.0,1.0,4.0,1.0,1.0,0.2,3.0,")
    assert rates[3].startswith("deepfool,ART,,500,,,,")


def test_the_training_has_a_section_where_it_was_measured(tmp_path: Path) -> None:
    (tmp_path / peers_page.FIGURES).write_text(json.dumps(figures(OURS, STOCK)))
    loops = [
        {"loop": "rejectbench", "images_per_s": [300.0, 200.0], "accuracy": [0.99, 0.98]},
        {"loop": "plain", "images_per_s": [100.0, 100.0], "accuracy": [0.97, 0.99]},
        {"loop": "tuned", "images_per_s": [200.0, 200.0], "accuracy": [0.97, 0.99]},
    ]
    training = {
        "track": "mnist",
        "epochs": 4,
        "precision": "bf16",
        "created": "2026-01-02",
        "machine": MACHINE,
        "rows": loops,
    }
    (tmp_path / peers_page.TRAINING).write_text(json.dumps(training))
    peers_page.write_page(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "Ours takes the images **2.50 times** (2.00 to 3.00) as fast as plain; **1.25 times**" in page
    assert "**1.25 times** (1.00 to 1.50) as fast as tuned." in page
    assert "99.00, 98.00" in page


def history(folder: Path, *ratios: float) -> None:
    for day, ratio in enumerate(ratios, start=1):
        run = {
            "created": f"2026-01-{day:02}T00:00:00+00:00",
            "commit": f"{day:040}",
            "machine": MACHINE,
            "ratios": {"fgs": ratio},
            "references": {"fgs": "Foolbox fgs"},
        }
        (folder / f"{40 - day}.json").write_text(json.dumps(run))


def test_the_history_shows_its_last_runs_by_date_and_draws_all(tmp_path: Path) -> None:
    history(tmp_path, *(0.5 + 0.01 * day for day in range(12)))
    speed_page.write_page(tmp_path)
    lines = (tmp_path / "README.md").read_text().splitlines()
    shown = next(line for line in lines if line.startswith("| fgs"))
    assert [cell.strip() for cell in shown.split("|")[3:-1]] == [f"{0.5 + 0.01 * day:.3g}" for day in range(2, 12)]
    assert (tmp_path / speed_page.CHART).read_bytes().startswith(b"\x89PNG")


def test_the_index_links_to_the_pages_that_are_there(tmp_path: Path) -> None:
    write_index(tmp_path, [])
    assert "Speed" not in (tmp_path / "README.md").read_text()
    (tmp_path / "speed").mkdir()
    history(tmp_path / "speed", 0.5)
    speed_page.write_page(tmp_path / "speed")
    write_index(tmp_path, [])
    assert "[How it has gone](speed/README.md)" in (tmp_path / "README.md").read_text()
    assert "peers" not in (tmp_path / "README.md").read_text()

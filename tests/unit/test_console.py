"""How a run looks on a terminal and elsewhere, and how long it says it takes."""

import io
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from bench import estimate, suites
from bench.console import Lines, RunProgress, Terminal
from bench.estimate import Load
from bench.plan import Job, Selection, plan
from bench.trackdata import TrackData
from bench.tracks import TRACKS


def job(key: str) -> Job:
    return cast("Job", SimpleNamespace(key=key, label=f"fit {key}"))


def shown(*, terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    with RunProgress(console, {"a": Load(300.0, 30.0), "b": Load(140.0, 70.0)}) as progress:
        progress.started(job("a"))
        progress.advanced(150.0)
        assert progress._bar.tasks[0].completed == 15.0
        progress.finished(job("a"))
        progress.started(job("b"))
        progress._bar.refresh()
        progress.advanced(40.0)
        assert progress._bar.tasks[0].completed == 50.0
        progress.advanced(400.0)
        assert progress._bar.tasks[0].completed == 100.0
        progress.finished(job("b"))
        assert progress._bar.tasks[0].percentage == 100.0
    return text.getvalue()


def test_progress_is_shown_on_a_terminal_and_nowhere_else() -> None:
    assert "fit " in shown(terminal=True)
    assert shown(terminal=False) == ""


def test_what_other_processes_do_counts_as_well() -> None:
    progress = RunProgress(Console(file=io.StringIO()), {"a": Load(300.0, 30.0), "b": Load(140.0, 70.0)})
    bar = progress._bar.tasks[0]
    progress.started(job("a"))
    progress.heard("b", 0.0)
    progress.heard("b", 70.0)
    progress.advanced(150.0)
    assert bar.completed == 15.0 + 35.0
    assert bar.description == "fit a"
    progress.heard("b", None)
    assert bar.completed == 15.0 + 70.0
    progress.finished(job("a"))
    for again in (progress.started, progress.finished):
        again(job("b"))  # this process finds it done
        assert bar.completed == 100.0
    progress.heard("kept from before", 5.0)
    assert bar.completed == 100.0


def test_a_job_that_another_process_takes_up_begins_anew() -> None:
    progress = RunProgress(Console(file=io.StringIO()), {"a": Load(300.0, 30.0)})
    progress.heard("a", 150.0)  # by one that is lost then
    progress.started(job("a"))
    assert progress._bar.tasks[0].completed == 0.0


def test_elsewhere_a_line_says_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("bench.console.time", SimpleNamespace(monotonic=lambda: clock.now))
    text = io.StringIO()
    progress = RunProgress(Console(file=text, width=120), {"a": Load(300.0, 30.0), "b": Load(140.0, 70.0)})
    progress.started(job("a"))
    work = iter([100.0, 0.0])  # after that, it is over

    def wait(seconds: float) -> bool:
        clock.now += seconds
        more = next(work, None)
        progress.advanced(more or 0.0)
        return more is None

    monkeypatch.setattr(progress, "_over", SimpleNamespace(wait=wait))
    progress._tell()
    assert text.getvalue().splitlines() == ["10% after about 2 minutes: fit a", "10% after about 4 minutes: fit a"]


def test_it_is_told_while_nothing_is_heard_of_a_job_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.console.EVERY", 0.01)
    console, told, lines = Console(file=io.StringIO(), width=120), threading.Event(), []

    def heard(line: str, **_: object) -> None:
        lines.append(line)
        told.set()

    monkeypatch.setattr(console, "print", heard)
    with RunProgress(console, {"a": Load(300.0, 30.0)}) as progress:
        assert told.wait(60)
        progress.started(job("a"))
        progress.finished(job("a"))
    assert not progress._teller.is_alive()
    assert lines[0].endswith("seconds: waiting for what other processes make")


def test_on_a_terminal_the_bar_alone_tells() -> None:
    with RunProgress(Console(file=io.StringIO(), force_terminal=True), {}) as progress:
        assert not progress._teller.is_alive()


def test_a_terminal_that_moves_no_bar_is_told_lines() -> None:
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with RunProgress(dumb, {}) as progress:
        assert progress._teller.is_alive()


class Unread(io.StringIO):
    """A pipe of which the other end is closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_where_nobody_listens_any_more_the_lines_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.console.EVERY", 0.01)
    console = Lines(file=Unread(), width=120)
    with pytest.raises(BrokenPipeError):
        console.print("a line")
    with RunProgress(console, {}) as progress:
        progress._teller.join(60)
        assert not progress._teller.is_alive()


def test_a_terminal_passes_on_what_it_hears_while_it_watches() -> None:
    terminal = Terminal()
    for event in (terminal.started, terminal.finished):
        event(job("a"))
    terminal.advanced(1.0)
    terminal.elsewhere("a", 1.0)
    progress = terminal.watch({"a": Load(2.0, 5.0), "b": Load(2.0, 5.0)})
    terminal.started(job("a"))
    terminal.advanced(1.0)
    assert progress._bar.tasks[0].percentage == 25.0
    terminal.finished(job("a"))
    assert progress._bar.tasks[0].percentage == 50.0
    terminal.elsewhere("b", None)
    assert progress._bar.tasks[0].percentage == 100.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 seconds"),
        (100, "about 100 seconds"),
        (150, "about 2 minutes"),
        (8000, "about 2 hours"),
        (2.5e5, "about 3 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert estimate.spoken(seconds) == words


def test_work_grows_with_images_epochs_and_targets(tiny_data: TrackData) -> None:
    suite = suites.load("table1")
    track = TRACKS["digits"]
    made = plan(Selection(track, suite, ("naive", "ood"), ("fgs", "cw"), (0,), 64))
    work: dict[str, Any] = {job.label: estimate.work(job, tiny_data) for job in made.jobs}
    assert work["fit naive, seed 0"] == work["fit surrogate, seed 0"] == 3 * track.recipe.epochs * 64
    assert work["fit +OOD, seed 0"] == pytest.approx(3 * track.recipe.epochs * (64 + 64 + 0.3 * 64))
    fgs = next(attack for attack in suite.attacks if attack.name == "fgs").spec("digits").work
    cw = next(attack for attack in suite.attacks if attack.name == "cw").spec("digits").work
    assert work["craft FGS, seed 0"] == fgs * 64
    assert work["craft C&W, seed 0"] == cw * round(64 / 360 * 100) * 2  # the share of the hundred that a limit leaves
    assert work["score naive on out:photos, seed 0"] == 64


def test_a_title_with_brackets_is_shown_as_it_is() -> None:
    text = io.StringIO()
    with RunProgress(Console(file=text, force_terminal=True, width=120), {}) as progress:
        progress.started(job("mine [k=5] [/b]"))
    assert "fit mine [k=5] [/b]" in text.getvalue()


def test_nothing_of_a_line_is_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.say("[red]3 [1, 2]")
    terminal.error(str(Path("a[bold]")))
    captured = capsys.readouterr()
    assert captured.out == "[red]3 [1, 2]\n"
    assert captured.err == "error: a[bold]\n"

"""The checks of the project, one nox session each; ``nox --no-venv`` runs them in the environment at hand."""

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]

PUBLISHED = "leaderboard/published"
DOCUMENTS = ("README.md", *sorted(map(str, Path("docs").glob("*.md"))))
PEERS = ("torchattacks==3.5.1", "adversarial-robustness-toolbox==1.20.1")
TABLE1 = {"mnist": ("5", "5"), "cifar10": ("1", "3")}  # the paper's data sets: seeds on a CPU, on a GPU
CPU_EPOCHS = {"cifar10": "8"}  # of a training on a CPU, in place of the recipe's, as bench/tracks.py has it
CLAIMS = "claims"
CLAIM_SUITES = {
    "steps": "5",
    "overshoot": "5",
    "kappa": "3",
}  # what tells of the paper's claims on mnist, and its seeds
TABLE1_ROWS = "naive,ood,ood_interp,ood_interp_matched,feature_squeezing"  # the paper's, and what its claims set beside
VARIANTS = ",".join(f"ood_interp_{what}" for what in ("tenth", "triple", "alpha30", "alpha70", "random", "pixels"))
VARIANTS_SEEDS = "3"  # as few as decide a claim
WAITING = {"GOMP_SPINCOUNT": "3000"}  # as bench/process.py has it: threads that wait leave the core to others


def install(session: nox.Session) -> None:
    """Install the project with its development tools, unless the environment at hand is to be used as it is."""
    if session.virtualenv.venv_backend != "none":
        session.install("--editable", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, strictly."""
    install(session)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: all of them under the coverage gate, or what stands after ``--``."""
    install(session)
    session.run("pytest", *(session.posargs or ["--cov", "--cov-report=term"]))


@nox.session
def speed(session: nox.Session) -> None:
    """Time what users wait for, and compare it with an earlier commit; arguments after ``--`` go to the comparison."""
    install(session)
    session.run("pytest", "tests/speed", "-n0", "--benchmark-enable", "--benchmark-only", env=WAITING)
    session.run("python", "-m", "tests.speed.gate", *session.posargs, env=WAITING)


def install_peers(session: nox.Session) -> None:
    """Install the project and the libraries that it is measured beside, unless the environment is to stay as it is."""
    if session.virtualenv.venv_backend != "none":
        session.install("--editable", ".", *PEERS)
        # adv-lib needs visdom, whose build takes a module from setuptools that newer ones lack.
        session.install("setuptools<81", "wheel")
        session.install("--no-build-isolation", "visdom")
        session.install("adv-lib==0.2.8")


@nox.session
def peers(session: nox.Session) -> None:
    """Measure the attacks beside other libraries', for the published page; arguments after ``--`` go along."""
    install_peers(session)
    out = f"{PUBLISHED}/peers"
    session.run("python", "-m", "tests.speed.peers", "--out", out, *session.posargs, env=WAITING)
    session.run("python", "-m", "tests.speed.training", "--out", out, env=WAITING)


@nox.session
def gpu(session: nox.Session) -> None:
    """Measure on a GPU: what training reaches, the attacks beside other libraries'.

    ``-- cpu`` tries it without a GPU; other arguments go to the measuring of the attacks.
    """
    install_peers(session)
    device = "cpu" if "cpu" in session.posargs else "cuda"
    there = ("--device", device, "--out", f"results/speed-{device}")
    session.run("python", "-m", "tests.speed.device", "--compile", *there)
    session.run("python", "-m", "tests.speed.peers", *there, *(word for word in session.posargs if word != "cpu"))


@nox.session
def reproduce_table1(session: nox.Session) -> None:
    """Run the paper's Table I and set it beside the paper's; after ``--`` parts of it: mnist, cifar10, claims."""
    install(session)
    parts = session.posargs or (*TABLE1, CLAIMS)
    unknown = [name for name in parts if name not in {*TABLE1, CLAIMS}]
    if unknown:
        session.error(f"unknown {', '.join(unknown)}: the parts are {', '.join(TABLE1)}, {CLAIMS}")
    run = ("python", "-m", "bench", "run")
    common, rows = ("--download",), ("--defenses", TABLE1_ROWS)
    device = "from bench.selecting import device; print(device('auto').type)"
    has_gpu = str(session.run("python", "-c", device, silent=True)).split()[-1:] == ["cuda"]  # warnings come before
    for track in (name for name in parts if name in TABLE1):
        brief = ("--epochs", CPU_EPOCHS[track]) if track in CPU_EPOCHS and not has_gpu else ()
        session.run(*run, track, *common, *rows, "--seeds", TABLE1[track][has_gpu], *brief)
    for suite, seeds in CLAIM_SUITES.items() if CLAIMS in parts else ():
        session.run(*run, "mnist", *common, *rows, "--suite", suite, "--seeds", seeds)
    if CLAIMS in parts:
        varied = ("--defenses", f"{TABLE1_ROWS},{VARIANTS}", "--seeds", VARIANTS_SEEDS, "--add")
        session.run(*run, "mnist", *common, *varied)
    session.run("python", "-m", "bench", "table1")


@nox.session
def docs(session: nox.Session) -> None:
    """Make the published tables again from their records, and put them into the documents that show them."""
    install(session)
    records = ("--store", f"{PUBLISHED}/records", "--out", PUBLISHED)
    session.run("python", "-m", "bench", "table1", *records)
    session.run("python", "-m", "bench", "report", *records)
    session.run("python", "-m", "leaderboard.remake")
    session.run("python", "-m", "leaderboard.embed", *DOCUMENTS)


@nox.session(venv_backend="none")
def site(session: nox.Session) -> None:
    """Put the published tables, and those of the last run beside them, into ``site/``, to be made into web pages."""
    own, run = Path("site"), Path("results")
    if not (run / "README.md").exists():
        session.error(f"{run} holds no tables: python -m bench run makes some")
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(PUBLISHED, own, ignore=shutil.ignore_patterns("records"))
    shutil.copytree(run, own / "run")
    with (own / "README.md").open("a", encoding="utf-8") as index:
        index.write("\n## A run of this commit\n\nMade anew for this site, by few seeds: [its tables](run/README.md)\n")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel into ``dist/``."""
    install(session)
    session.run("python", "-m", "build", "--wheel")

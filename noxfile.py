"""The checks of the project, one nox session each; ``nox --no-venv`` runs them in the environment at hand."""

import nox

nox.options.sessions = ["lint", "types", "tests"]

PUBLISHED = "leaderboard/published"
PEERS = ("torchattacks==3.5.1", "adversarial-robustness-toolbox==1.20.1")
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


@nox.session
def peers(session: nox.Session) -> None:
    """Measure the attacks beside other libraries', for the published page; arguments after ``--`` go along."""
    if session.virtualenv.venv_backend != "none":
        session.install("--editable", ".", *PEERS)
        # adv-lib needs visdom, whose build takes a module from setuptools that newer ones lack.
        session.install("setuptools<81", "wheel")
        session.install("--no-build-isolation", "visdom")
        session.install("adv-lib==0.2.8")
    out = f"{PUBLISHED}/peers"
    session.run("python", "-m", "tests.speed.peers", "--out", out, *session.posargs, env=WAITING)
    session.run("python", "-m", "tests.speed.training", "--out", out, env=WAITING)


@nox.session
def docs(session: nox.Session) -> None:
    """Make the published tables again from their records, and put them into the documents that show them."""
    install(session)
    session.run("python", "-m", "bench", "report", "--store", f"{PUBLISHED}/records", "--out", PUBLISHED)
    session.run("python", "-m", "leaderboard.remake")
    session.run("python", "-m", "leaderboard.embed", "README.md", "docs/reproduction.md")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel into ``dist/``."""
    install(session)
    session.run("python", "-m", "build", "--wheel")

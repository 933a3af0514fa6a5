"""The checks of the project, one nox session each; ``nox --no-venv`` runs them in the environment at hand."""

import nox

nox.options.sessions = ["lint", "types", "tests"]


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
    """Time what the project promises to be fast; arguments after ``--`` go to pytest-benchmark."""
    install(session)
    session.run("pytest", "tests/speed", "-n0", "--benchmark-enable", "--benchmark-only", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Make the published tables again from their records, and put them into the documents that show them."""
    install(session)
    published = "leaderboard/published"
    session.run("python", "-m", "bench", "report", "--store", f"{published}/records", "--out", published)
    session.run("python", "-m", "leaderboard.embed", "README.md", "docs/reproduction.md")


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel into ``dist/``."""
    install(session)
    session.run("python", "-m", "build", "--wheel")

"""``python -m search``: the command line.

Exit codes: 0 done, 1 nothing feasible, 2 bad input, 3 device or engine missing, 130 stopped.
Everything heavy is imported by the command that needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from search.errors import RunError, UsageError
from spaces.errors import SpaceError

app = typer.Typer(
    help="Search sparsity, precision, distillation and engine flags for an edge device, measured "
    "on the device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SpaceOption = Annotated[
    Path, typer.Option("--space", metavar="FILE", help="Space file: what may vary.")
]
RunOption = Annotated[Path, typer.Option("--run", metavar="DIR", help="Folder of the run.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one key of the space file; repeatable."
    ),
]
PythonOption = Annotated[str, typer.Option(metavar="PROGRAM", help="The board's Python.")]


class Format(StrEnum):
    """How the front is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.callback()
def _commands() -> None:
    """Keep the first command from becoming the only one."""


@app.command()
def run(
    space: SpaceOption,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Folder of the run; default runs/<name>."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Finished trials in total, earlier sessions included.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="8h", help="Time for this session: 90s, 5m, 1h30m.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="Stop at this time of day.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Optuna storage; default SQLite in the folder."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of a new run; default 0.")] = None,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and build nothing.")
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="One line an event, no display.")] = False,
) -> None:
    """Run a search, or go on with the one in --run. Ctrl-C finishes the trial; twice stops now."""
    from search.budget import session_s
    from search.session import Session, print_plan
    from spaces.load import load_space

    loaded = load_space(space, overrides or [])
    if dry_run:
        print_plan(loaded)
        return
    session = Session(loaded, run_dir, plain=plain)
    raise typer.Exit(
        session.run(
            trials=trials,
            timeout_s=session_s(timeout, until),
            storage=storage,
            seed=seed,
        )
    )


@app.command()
def confirm(
    run_dir: RunOption,
    plain: Annotated[bool, typer.Option("--plain", help="One line an event, no display.")] = False,
) -> None:
    """Measure the front again in fresh processes, and publish the confirmed numbers."""
    from search.run_directory import RunDirectory
    from search.session import Session
    from search.study import space_of_run

    space = space_of_run(RunDirectory(run_dir))
    raise typer.Exit(Session(space, run_dir, plain=plain).confirm())


@app.command()
def front(
    run_dir: RunOption,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also what isn't on the front, with the reasons.")
    ] = False,
) -> None:
    """Print the Pareto front of a run, also while it is going on."""
    from rich.console import Console

    from reports import tables
    from search.front import pareto_front
    from search.run_directory import RunDirectory

    found = RunDirectory(run_dir).load()
    if output is Format.JSON:
        typer.echo(json.dumps(tables.front_json(found, show_all=show_all), indent=2))
    elif output is Format.CSV:
        typer.echo(tables.front_csv(found, show_all=show_all), nl=False)
    else:
        Console().print(tables.front_table(found, show_all=show_all))
    raise typer.Exit(0 if pareto_front(found) else 1)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of runs.")],
) -> None:
    """Set runs side by side: two devices, two versions of a runtime, two spaces."""
    from rich.console import Console

    from search import comparison

    Console().print(comparison.compare(*runs))


@app.command()
def report(run_dir: RunOption) -> None:
    """Write report.html, front.csv and trials.csv of a run."""
    from search.outputs import write_outputs
    from search.run_directory import RunDirectory

    directory = RunDirectory(run_dir)
    write_outputs(directory.load(), directory)
    typer.echo(directory.report)


@app.command()
def export(
    run_dir: RunOption,
    trial: Annotated[int, typer.Option(min=0, metavar="N", help="Number of the trial.")],
    out: Annotated[
        Path, typer.Option(metavar="BUNDLE", help="Folder to write; it must not be there yet.")
    ],
) -> None:
    """Write a trial's model, and all that a device needs to run and verify it, into a folder."""
    from rich.console import Console

    from search import api
    from search.progress import PlainProgress

    folder = api.load(run_dir).export(trial, out, observe=PlainProgress(Console()))
    typer.echo(folder)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder that export wrote.")],
    connect: Annotated[
        str | None,
        typer.Option(metavar="ssh://user@host[:port]", help="Measure on this board instead."),
    ] = None,
    python: PythonOption = "python3",
) -> None:
    """Check a bundle's files and outputs, and whether latency or memory moved on this machine."""
    from rich.console import Console

    from search import api
    from search.progress import PlainProgress

    found = api.verify(bundle, connect=connect, python=python, observe=PlainProgress(Console()))
    typer.echo("\n".join(found.lines()))
    raise typer.Exit(found.exit_code)


@app.command()
def validate(space: SpaceOption, overrides: SetOption = None) -> None:
    """Check a space file, its workload and whether its engines are here."""
    from search import api

    api.validate(space, overrides or [])
    typer.echo(f"{space} is right.")


@app.command()
def devices(
    connect: Annotated[
        str | None,
        typer.Option(metavar="ssh://user@host[:port]", help="Look at this board instead."),
    ] = None,
    python: PythonOption = "python3",
) -> None:
    """List engines, devices, meters and clocks found here, and what would add the missing ones."""
    from rich.console import Console

    from search import device_survey

    Console().print(device_survey.devices(connect, python))


@app.command()
def store(
    limit: Annotated[
        str | None, typer.Option(metavar="20GiB", help="Set the size it may have from now on.")
    ] = None,
    prune: Annotated[
        str | None,
        typer.Option(metavar="2GiB", help="Remove what was used longest ago, down to this size."),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what tools have refused to build.")
    ] = False,
) -> None:
    """Show what was built and kept, and make it smaller; what a run's front needs stays."""
    from search.store_command import manage_store

    manage_store(limit, prune, forget=forget)


@app.command()
def schema() -> None:
    """Print the JSON Schema of space files, for editors."""
    from spaces.json_schema import space_json_schema

    typer.echo(json.dumps(space_json_schema(), indent=2))


def main() -> None:
    """Run the command line; a person's mistake ends in a message, never in a traceback."""
    try:
        app()
    except RunError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except SpaceError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(UsageError.exit_code)

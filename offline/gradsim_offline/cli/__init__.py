"""The command line: one file per command, imported when it is called, so that ``--help`` loads no torch."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

import click

from gradsim_shared.errors import GradsimError
from gradsim_shared.excerpts import one_line
from gradsim_shared.nearest import nearest

_SECTIONS = {  # of the help: what people do first comes first
    "First": {
        "doctor": "Show what this machine has for a build, and what is missing.",
        "plan": "Show what a build will do, with time, disk and memory, before it starts.",
        "build": "Run the whole method and write a bundle.",
        "inspect": "Show what is in a bundle, after verifying it.",
    },
    "Share": {
        "push": "Publish a bundle: on the Hugging Face Hub, or in the BentoML model store.",
        "pull": "Fetch a bundle from there.",
    },
    "Does grouping pay": {
        "evaluate": "Score a bundle, or a running service, on any data; or run a build up to its scores.",
        "compare": "Compare ways of grouping, method by seed, with tests.",
        "sweep": "Compare numbers of groups, tracked layers, or values of a setting.",
        "analyse": "Correlate similarities, see how stable they are, find each language's keywords.",
        "assign": "Find the group for a new language, and add it to a bundle.",
    },
    "Stages of a build": {
        "encoder": "Make the mini encoder, or fetch a named one.",
        "measure": "Measure how the languages' gradients agree.",
        "group": "Choose the groups.",
        "train": "Train the multilingual model and one model per group.",
        "export": "Export the group models to ONNX and check them.",
        "identify": "Train the language identifier.",
    },
    "Experiments": {
        "few-shot": "Transfer from one language with a few texts of each other, regime by regime.",
        "sprachbund": "Gather languages by how an encoder represents their unlabelled text.",
        "adapt": "Train an encoder on, on unlabelled text.",
        "sprachbund-train": "Fine-tune from each sprachbund's encoder.",
        "retrieve": "Score encoders by how often they find a text's translation.",
    },
    "Look up": {
        "list": "Show data sets, similarity measures, solvers, tasks, encoders, recipes, methods.",
        "settings": "Show every setting, its default and what it means.",
    },
}
_COMMANDS = {name: meaning for section in _SECTIONS.values() for name, meaning in section.items()}
_STAGES = ("build", "encoder", "measure", "group", "train", "export", "identify")  # each runs those before it
_SERVING = {"serve": "", "predict": ", gradsim-serve predict --help"}  # commands of the other program
_INTERRUPTED = 130
_HELP = """Group languages by how their gradients agree, train one model per group, write a bundle.

\b
  gradsim-offline build --data demo
  gradsim-serve runs/demo/bundle
"""
_TRACEBACK = "GRADSIM_TRACEBACK"


class _Commands(click.Group):
    """Lists the commands without importing them, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _STAGES:
            from gradsim_offline.cli.build import command_until

            return command_until(cmd_name, _COMMANDS[cmd_name])
        module = {"list": "listing"}.get(cmd_name, cmd_name.replace("-", "_"))  # a module list would hide the builtin
        command: click.Command = import_module(f"gradsim_offline.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            meant = "".join(f" Did you mean {guess}?" for guess in nearest(name, _COMMANDS, limit=1))
            if name in _SERVING:
                meant = f" Bundles are served by another command: gradsim-serve --help{_SERVING[name]}"
            ctx.fail(f"No such command {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


@click.group(cls=_Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gradsim-router", prog_name="gradsim-offline")
def cli() -> None:
    pass


def main() -> None:
    """Run the command line; every error becomes one line and exit code 1, or a traceback with GRADSIM_TRACEBACK set."""
    # OpenMP threads that wait in a loop take the cores from those that work: on busy cores, training then takes half
    # as long again; on idle ones, sleeping costs a little (bench/waiting.py). Read when torch is loaded: later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _show_our_warnings()
    try:
        code = cli.main(prog_name="gradsim-offline", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("Interrupted. The same command resumes where it stopped.", err=True)
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GradsimError as error:
        click.echo(f"Error: {one_line(str(error))}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        click.echo(f"Error: {one_line(_worded(error))}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _worded(error: Exception) -> str:
    """Word an error that has no message for people."""
    package = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package and not package.startswith("gradsim_"):
        return f"{package} is not installed; run: pip install 'gradsim-router[offline]'"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    message = (str(error).strip().splitlines() or [""])[0].rstrip(". ")
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"unexpected {named}. What was computed is kept. {_TRACEBACK}=1 shows where."


def _show_our_warnings() -> None:
    """Show our own warnings as one line each, and not those of the libraries below us."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="gradsim_offline")
    warnings.showwarning = lambda message, *_rest: click.echo(f"Warning: {message}", err=True)

"""The command line: one file per command, imported when it is called, so that ``--help`` loads no torch."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

import click

from gradsim_shared.errors import GradsimError

_COMMANDS = {
    "build": "Run the whole method and write a bundle.",
    "encoder": "Make the mini encoder, or check that a named one can be found.",
    "measure": "Measure how the languages' gradients agree.",
    "group": "Choose the groups.",
    "train": "Train the multilingual model and one model per group.",
    "export": "Export the group models to ONNX and check them.",
    "identify": "Train the language identifier.",
    "evaluate": "Score the models and the whole service path.",
    "inspect": "Show what is in a bundle, after verifying it.",
    "list": "Show data sets, similarity measures, solvers, tasks, encoders, recipes.",
    "settings": "Show every setting, its default and what it means.",
}
_SHOWING = {"inspect": "inspect", "list": "listing", "settings": "settings"}  # command: file
_INTERRUPTED = 130


class _Commands(click.Group):
    """Lists the commands without importing them, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _SHOWING:
            command: click.Command = import_module(f"gradsim_offline.cli.{_SHOWING[cmd_name]}").command
            return command
        from gradsim_offline.cli.build import command_until

        return command_until(cmd_name, _COMMANDS[cmd_name])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gradsim-router", prog_name="gradsim-offline")
def cli() -> None:
    """Group languages by how their gradients agree, train one model per group, write a bundle.

    Start with `gradsim-offline build --data demo`, then serve it with `gradsim-serve runs/demo/bundle`.
    """


def main() -> None:
    """Run the command line; errors with a message for people become one line and exit code 1."""
    # OpenMP threads that wait in a loop take the cores from those that work: on two busy cores training takes four
    # times as long (bench/waiting.py). Read when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _show_our_warnings()
    try:
        code = cli.main(prog_name="gradsim-offline", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(_INTERRUPTED)
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GradsimError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except ImportError as error:
        missing = (error.name or str(error)).split(".")[0]
        click.echo(f"Error: {missing} is not installed; run: pip install 'gradsim-router[offline]'", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _show_our_warnings() -> None:
    """Show our own warnings as one line each, and not those of the libraries below us."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="gradsim_offline")
    warnings.showwarning = lambda message, *_rest: click.echo(f"Warning: {message}", err=True)

"""Errors of ours become one line on stderr and exit code 1."""

from __future__ import annotations

import click

from gradsim_shared.errors import GradsimError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


class OneLineErrors(click.Command):
    """A command whose errors are one line on stderr."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GradsimError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            module = (error.name or "").partition(".")[0]
            if not module or module.startswith("gradsim_"):
                raise
            message = f"{module} is not installed; run: pip install 'gradsim-router[serving]'"
            raise click.ClickException(message) from error

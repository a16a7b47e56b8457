"""Build a Bento that holds the service and one or more bundles, and nothing else: ``make bento BUNDLE="..."``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import click
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "serving"), str(ROOT / "shared")]

from gradsim_serving.bundles.served import open_bundles  # noqa: E402
from gradsim_shared.bundle import VerifiedBundle  # noqa: E402
from gradsim_shared.errors import BundleError, GradsimError  # noqa: E402

SOURCES = ("serving/gradsim_serving", "shared/gradsim_runtime", "shared/gradsim_shared")


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", help="Name of the Bento.  [default: gradsim-<name of the first bundle>]")
def main(bundles: tuple[Path, ...], name: str | None) -> None:
    """Build a Bento of the service and these bundles, one for each endpoint, and print its tag."""
    try:
        opened = open_bundles(bundles)
        first = next(iter(opened.values())).manifest
        tag = make_bento(opened, name or _bento_name(first.name))
    except GradsimError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{tag}\nServe it:          bentoml serve {tag}\nMake an image:     bentoml containerize {tag}")


def make_bento(bundles: Mapping[str, VerifiedBundle], name: str) -> str:
    """Build the Bento from a clean copy in a temporary directory and return its tag.

    Raises:
        BundleError: BentoML could not build it; the message holds the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="gradsim-bento-") as directory:
        context = Path(directory)
        stage(bundles, context)
        command = [sys.executable, "-m", "bentoml", "build", directory, "--name", name, "--output", "tag"]
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GRADSIM_BUNDLES")}
        done = subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"__tag__:(\S+)", done.stdout)
    if done.returncode or found is None:
        raise BundleError(f"bentoml build failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return found[1]


def stage(bundles: Mapping[str, VerifiedBundle], context: Path) -> None:
    """Copy what the Bento holds into ``context``: sources, bundles, pinned bentofile.yaml.

    A bundle's folder is named for its endpoint: two bundles may have one name.
    """
    for source in SOURCES:
        shutil.copytree(ROOT / source, context / source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy(ROOT / "serving" / "entry.py", context / "serving")
    for endpoint, bundle in bundles.items():
        target = context / "bundles" / endpoint.removeprefix("/")
        for file in ["manifest.json", *bundle.manifest.files]:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            _link(bundle.path(file).resolve(), target / file)
    settings = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    packages = settings["python"]["packages"]
    settings["python"]["packages"] = pinned(packages, read_constraints(ROOT / "constraints.txt"))
    (context / "bentofile.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def read_constraints(path: Path) -> dict[str, str]:
    """Return ``{package: version}`` of the ``name==version`` lines of a constraints file, if there is one."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = (re.match(r"([\w.-]+)==([^\s;#]+)", line) for line in lines)
    return {_normal(match[1]): match[2] for match in found if match}


def pinned(packages: Iterable[str], versions: Mapping[str, str]) -> list[str]:
    """Return the packages and all that they need, pinned where ``versions`` names a version.

    What a package needs is read from its installed metadata; one that is not installed here stays as it is.
    """
    wanted = {_normal(Requirement(package).name): package for package in packages}
    queue = list(wanted)
    while queue:
        for requirement in _needs(queue.pop()):
            name = _normal(requirement.name)
            if name not in wanted and name in versions:
                wanted[name] = name
                queue.append(name)
    return [f"{name}=={versions[name]}" if name in versions else package for name, package in sorted(wanted.items())]


def _needs(package: str) -> list[Requirement]:
    try:
        requirements = [Requirement(line) for line in metadata.requires(package) or []]
    except metadata.PackageNotFoundError:
        return []
    return [need for need in requirements if need.marker is None or need.marker.evaluate({"extra": ""})]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _bento_name(bundle: str) -> str:
    return "gradsim-" + re.sub(r"[^a-z0-9]+", "-", bundle.lower()).strip("-")


def _link(source: Path, target: Path) -> None:
    """Hard-link a file, which may be large, or copy it where that is not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


if __name__ == "__main__":
    main()

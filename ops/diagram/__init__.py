"""``ops diagram``: a picture of each environment, drawn from its synthesized JSON, as SVG and PNG.

Graphviz lays it out, as WebAssembly (``svg.mjs``), resvg renders it with a font that is installed
with it: no program or font of the machine has a hand in it; one stack always gives the same bytes.
"""

import argparse
import subprocess
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import resvg_py

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.diagram.graph import dot
from ops.stacks import Stack, synthesize

OUTPUT = ROOT / "docs" / "diagrams"
PROGRAM = Path(__file__).with_name("svg.mjs")
LAYOUT = ROOT / "node_modules" / "@viz-js" / "viz"
FONT = "Arimo"  # has the widths of Arial, by which Graphviz measures
DPI = 96  # what SVG's points are measured by
ZOOM = 1.2  # some 1,100 pixels: sharp at the width of a README


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("diagram", help="draw the stacks of ENVIRONMENT (all)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="docs/diagrams by default")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Write an SVG and a PNG for each environment. Raises ``TapError`` for bad input."""
    if rest:
        raise TapError(f"unknown argument {rest[0]}", hint="see ops diagram --help")
    options.output.mkdir(parents=True, exist_ok=True)
    for stack in synthesize(environ):
        picture = svg(stack)
        file = options.output / f"{stack.environment}.svg"
        file.write_text(picture, encoding="utf-8")
        file.with_suffix(".png").write_bytes(png(picture))
        print(f"{file} and .png")
    return 0


def svg(stack: Stack) -> str:
    """The picture of a stack."""
    if not LAYOUT.is_dir():
        raise TapError(f"{LAYOUT.name} is not installed", hint="run npm ci")
    done = subprocess.run(
        ["node", PROGRAM],
        cwd=ROOT,
        input=dot(stack),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise TapError(f"Graphviz: {done.stderr.strip()}", hint="mend ops/diagram/graph.py")
    return done.stdout


def png(picture: str) -> bytes:
    """The picture in pixels."""
    with as_file(files("fontpkg_arimo") / "files" / f"{FONT}[wght].ttf") as font:
        return bytes(
            resvg_py.svg_to_bytes(  # pylint: disable=no-member  # it is there, in Rust
                svg_string=picture.replace("Arial", FONT),
                skip_system_fonts=True,
                font_files=[str(font)],
                dpi=DPI,
                zoom=ZOOM,
            )
        )

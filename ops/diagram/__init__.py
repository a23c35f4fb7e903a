"""``ops diagram``: a picture of each environment, drawn from its synthesized JSON, as SVG and PNG.

resvg makes the PNG with a font that is installed with it, not one of the machine: the same stack
always gives the same bytes.
"""

import argparse
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import resvg_py

from lib.errors import TapError
from ops.cdktf_cli import ROOT
from ops.diagram.picture import picture
from ops.stacks import synthesize

OUTPUT = ROOT / "docs" / "diagrams"
FONT = "Arimo"  # its letters are as wide as Arial's
ZOOM = 2  # sharp at the width of a README


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
        svg = picture(stack)
        file = options.output / f"{stack.environment}.svg"
        file.write_text(svg, encoding="utf-8")
        file.with_suffix(".png").write_bytes(png(svg))
        print(f"{file} and .png")
    return 0


def png(svg: str, zoom: int = ZOOM) -> bytes:
    """The picture in pixels."""
    with as_file(files("fontpkg_arimo") / "files" / f"{FONT}[wght].ttf") as font:
        return bytes(
            resvg_py.svg_to_bytes(  # pylint: disable=no-member  # it is there, in Rust
                svg_string=svg,
                skip_system_fonts=True,
                font_files=[str(font)],
                zoom=zoom,
            )
        )

"""The few shapes that a picture is made of, as SVG: boxes, texts, connections.

Colours are classes: a style sheet in the picture has them for light and for dark screens.
"""

from collections.abc import Sequence
from xml.etree import ElementTree  # nosec B405  # writes, and parses nothing

Point = tuple[float, float]

FONTS = "Arial, Arimo, Liberation Sans, Helvetica, sans-serif"
LINE = 17  # from one line of text to the next, for 13 pixels of letters
HEAD = 8  # an arrow's
STYLE = """
.tap text { font: 13px FONTS; fill: #1d2733 }
.tap .bold { font-weight: 700 }
.tap .small { font-size: 12px }
.tap .grey { fill: #56616f }
.tap .open { fill: #1f5fa8 }
.tap .routes { fill: #a34f00 }
.tap rect { fill: #ffffff; stroke: #5f6b7a }
.tap .page { stroke: none }
.tap .public { fill: #eaf2fd; stroke: #b9cbe4 }
.tap .private { fill: #edf5ea; stroke: #bcd1b5 }
.tap .part { stroke-width: 2 }
.tap .line { fill: none }
.tap .open.line { stroke: #1f5fa8; stroke-width: 2 }
.tap .routes.line { stroke: #a34f00; stroke-width: 1.3; stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) {
  .tap text { fill: #e6edf3 }
  .tap .grey { fill: #9da7b3 }
  .tap .open { fill: #79b8ff }
  .tap .routes { fill: #f0a45d }
  .tap rect { fill: #161b22; stroke: #8b949e }
  .tap .page { fill: #0d1117 }
  .tap .public { fill: #14243a; stroke: #31507a }
  .tap .private { fill: #16281a; stroke: #36593b }
  .tap .open.line { stroke: #79b8ff }
  .tap .routes.line { stroke: #f0a45d }
}
""".replace("FONTS", FONTS)


class Canvas:
    """What has been drawn; lines lie below boxes, boxes below texts."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._layers = {name: ElementTree.Element("g") for name in ("frames", "lines", "boxes")}
        self._texts = ElementTree.Element("g")

    def box(self, corner: Point, size: Point, name: str, *, frame: bool = False) -> None:
        """A rectangle of a class; a ``frame`` lies below the lines."""
        (x, y), (width, height) = corner, size
        sizes = {"x": x, "y": y, "width": width, "height": height, "rx": 8}
        rect = _add(self._layers["frames" if frame else "boxes"], "rect", {**sizes, "class": name})
        if frame:  # drawn after what is in it
            self._layers["frames"].remove(rect)
            self._layers["frames"].insert(0, rect)

    def text(self, at: Point, words: str, name: str = "", *, anchor: str = "start") -> None:
        """A line of text, ``at`` its baseline."""
        where = {"x": at[0], "y": at[1], "text-anchor": anchor, "class": name}
        _add(
            self._texts, "text", {key: value for key, value in where.items() if value != ""}, words
        )

    def connect(self, points: Sequence[Point], title: str, name: str) -> None:
        """An arrow through the points; its title is what a reader without eyes is given."""
        group = _add(self._layers["lines"], "g", {})
        _add(group, "title", {}, title)
        (x0, y0), (x1, y1) = points[-2:]
        length = abs(x1 - x0) + abs(y1 - y0)  # each leg goes along one axis
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        end = (x1 - HEAD * dx, y1 - HEAD * dy)
        _add(group, "polyline", {"points": _points([*points[:-1], end]), "class": f"{name} line"})
        sides = [(end[0] + side * dy * HEAD / 2, end[1] + side * dx * HEAD / 2) for side in (1, -1)]
        _add(group, "polygon", {"points": _points([(x1, y1), *sides]), "class": name})

    def svg(self, height: float, title: str) -> str:
        """The picture."""
        size = {"width": self.width, "height": height, "viewBox": f"0 0 {self.width} {height:g}"}
        root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
        root.attrib |= {key: _number(value) for key, value in size.items()} | {"class": "tap"}
        _add(root, "title", {}, title)
        _add(root, "style", {}, STYLE)
        _add(root, "rect", {"width": self.width, "height": height, "class": "page"})
        root.extend([*self._layers.values(), self._texts])
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(
    parent: ElementTree.Element, tag: str, attributes: dict[str, float | str], text: str = ""
) -> ElementTree.Element:
    written = {name: _number(value) for name, value in attributes.items()}
    child = ElementTree.SubElement(parent, tag, written)
    child.text = text or None
    return child


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)

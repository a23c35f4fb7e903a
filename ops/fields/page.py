"""The reference as Markdown: docs/fields.md, and what the command prints of one field."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lib.config.environment_config import EnvironmentConfig
from ops.fields.changes import BASE, Step, base_of, somewhere
from ops.fields.cost import Effect
from ops.fields.declared import REQUIRED, Declared, described, literal
from ops.fields.takes import takes

EFFECTS = Path(__file__).with_name("effects.json")
TITLES = {"": "The environment"}

HEAD = """# Every field of the config

What stands in [environment_config.py](../lib/config/environment_config.py): of each field its type,
what it takes, its default, and each environment's own value, where it is not the default. Then what
changing it costs and does.

- **Takes** is what [validation](../lib/config/validation.py) holds the value against, AWS's limits in
  it ([aws_limits.py](../lib/config/aws_limits.py) has their sources).
- **A month** is the difference between two bills ([cost.md](cost.md)), at list prices of {region};
  what depends on the traffic that is assumed there is told as `by usage`.
- **Terraform** is what its plan says to the change of a running environment: `make fields` records
  it, `make e2e` holds it against plans. What **replaces** a load balancer changes its address. Nothing
  replaces a database: a plan that says so fails before it has touched it. **Meanwhile** is what AWS
  interrupts for it, for how long and when, by its own page: [the guard](guard.md) says the same of a
  plan, and refuses what AWS would refuse.

The change is made to {base} as it is shipped, or to the environment that is named. `make docs` writes
this page; `pipenv run fields database.storage_gib` says the same of one field, or of a part.
"""


def recorded() -> dict[str, str]:
    """What Terraform does for the change of each field, by its path."""
    return json.loads(EFFECTS.read_text(encoding="utf-8"))


def page(
    fields: Sequence[Declared],
    environments: Sequence[EnvironmentConfig],
    costs: Mapping[str, Effect],
) -> str:
    """The whole document."""
    done = recorded()
    lines = [HEAD.format(region=BASE.region, base=BASE.name)]
    for prefix, part in parts(fields).items():
        lines += [f"## {f'`{prefix}`' if prefix else TITLES[prefix]}", "", described(part[0].part)]
        lines += ["", *_values(part, environments), "", *_changes(part, costs, done), ""]
    return "\n".join(lines)


def parts(fields: Iterable[Declared]) -> dict[str, list[Declared]]:
    """The fields by the part that they are of; an environment's own under an empty name."""
    found: dict[str, list[Declared]] = {"": []}
    for field in fields:
        found.setdefault(field.prefix, []).append(field)
    return found


def _values(part: Sequence[Declared], environments: Sequence[EnvironmentConfig]) -> Iterator[str]:
    names = [config.name for config in environments]
    yield _row(["field", "type", "takes", "default", *names])
    yield _row(["---"] * (4 + len(names)))
    for field in part:
        values = (field.of(config) for config in environments)
        yield _row(
            [
                f"`{field.name}`",
                _type(field),
                _prose("; ".join(takes(field))),
                "" if field.default is REQUIRED else _code(literal(field.default)),
                *(
                    "" if value in (REQUIRED, field.default) else _code(literal(value))
                    for value in values
                ),
            ]
        )


def _type(field: Declared) -> str:
    said = [_code(field.type_name), field.unit, field.comment]
    return ", ".join(filter(None, said))


def _changes(
    part: Sequence[Declared], costs: Mapping[str, Effect], done: Mapping[str, str]
) -> Iterator[str]:
    yield _row(["change", "to", "a month", "Terraform"])
    yield _row(["---"] * 4)
    for field in part:
        if not somewhere(field.path):
            yield _row([f"`{field.name}`, in no environment", "", "", done.get(field.path, "")])
            continue
        base, effect = base_of(field.path), costs[field.path]
        where = "" if base is BASE else f", in {base.name}"
        yield _row([f"`{field.name}`{where}", _to(effect.step), str(effect), does(effect, done)])


def does(effect: Effect, done: Mapping[str, str]) -> str:
    """What Terraform does for a change, and what AWS interrupts for it, or refuses."""
    return "; ".join(filter(None, [done.get(effect.step.path, ""), *effect.in_place]))


def _to(step: Step) -> str:
    beside = [f"`{path}` {_code(literal(value))}" for path, value in step.alongside.items()]
    return _code(literal(step.value)) + (f" with {', '.join(beside)}" if beside else "")


def one(
    field: Declared, environments: Iterable[EnvironmentConfig], costs: Mapping[str, Effect]
) -> str:
    """One field, for a terminal."""
    values = [
        f"{config.name} {literal(value)}"
        for config in environments
        if (value := field.of(config)) is not REQUIRED
    ]
    default = "none: decide" if field.default is REQUIRED else literal(field.default)
    said = {
        "type": _type(field).replace("`", ""),
        "takes": "; ".join(takes(field)),
        "default": default,
        "is": ", ".join(values),
        "change": "of a part that no environment has",
        "a month": "",
        "terraform": recorded().get(field.path, ""),
    }
    if somewhere(field.path):
        effect = costs[field.path]
        said["change"] = f"to {_to(effect.step)} in {base_of(field.path).name}".replace("`", "")
        said["a month"] = str(effect)
        said["terraform"] = does(effect, recorded())
    said["terraform"] = said["terraform"].replace("`", "").replace("**", "")
    lines = [f"  {name:<10} {text}" for name, text in said.items() if text]
    return "\n".join([field.path, *lines])


def _prose(text: str) -> str:
    """So that no ``<size>`` counts as HTML."""
    return text.replace("<", "\\<")


def _code(text: str) -> str:
    return f"`{text}`"


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"

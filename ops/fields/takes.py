"""What a field takes: in the words of the rules that validation holds it against."""

from enum import Enum

from lib.config.validation import RULES
from ops.fields.declared import Declared, comments


def takes(field: Declared) -> list[str]:
    """A line for each rule; of the choices of an enum, what each means."""
    said = [
        rule.takes for rule in RULES if rule.reads[0] == field.path and not rule.production_only
    ]
    production = [
        f"in production {rule.takes}"
        for rule in RULES
        if rule.reads[0] == field.path and rule.production_only
    ]
    if isinstance(field.inner, type) and issubclass(field.inner, Enum):
        words = comments()[field.inner.__name__]
        choices = [
            f"{choice.name} ({words[choice.name]})" if choice.name in words else choice.name
            for choice in field.inner
        ]
        said.insert(0, ", ".join(choices))
    return said + production

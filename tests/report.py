"""Reports for the tests: what changes cost is made up, so that nothing is synthesized for it."""

from datetime import date
from decimal import Decimal
from functools import cache

from lib.config.environment_config import EnvironmentConfig
from ops.fields.changes import has, step_of
from ops.fields.cost import Effect
from ops.fields.declared import fields
from ops.report.content import Report
from ops.stacks import Stack
from tests.synthesized import Synthesized

DAY = date(2026, 11, 23)


def effects(config: EnvironmentConfig) -> dict[str, Effect]:
    """Another sum for each field."""
    paths = [field.path for field in fields() if has(config, field.path)]
    return {
        path: Effect(step_of(config, path), fixed=Decimal(number) + Decimal("0.25"))
        for number, path in enumerate(paths, 1)
    }


@cache  # drawing the picture takes longest
def reported(synthesized: Synthesized, day: date = DAY) -> Report:
    """The report of a stack."""
    config = synthesized.config
    return Report.of(Stack.read(synthesized.document), config, effects(config), day)

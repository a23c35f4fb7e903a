"""The validator says which of many stacks the provider refuses, and why."""

import copy

import pytest

from lib.errors import TapError
from tests.fuzz.validator import Validator


@pytest.fixture(name="validator")
def _validator(tmp_path):
    try:
        made = Validator(tmp_path)
    except TapError as error:
        pytest.skip("; ".join(error.lines()))
    return made


def changed(document, type_, **values):
    """A copy, with another value in each resource of a type."""
    document = copy.deepcopy(document)
    for body in document["resource"][type_].values():
        body.update(values)
    return document


def test_each_refused_stack_is_named_with_its_reason(validator, shipped, synthesize):
    dev = shipped("dev").document
    provider = copy.deepcopy(dev)
    provider["provider"]["aws"][0]["assume_role"] = [{"role_arn": "nobody"}]
    problems = validator.problems(
        [
            dev,
            synthesize("prod", password_given=True).document,
            changed(dev, "aws_vpc", cidr_block="10.0.0.0/8"),
            changed(dev, "aws_lb", idle_timeout=4000),
            changed(dev, "aws_ecs_task_definition", container_definitions="${nobody.at_all}"),
            changed(dev, "aws_ecs_service", depends_on=["aws_vpc.nobody"]),
            provider,
        ]
    )
    assert set(problems) == {-1, 2, 4, 5}
    assert 'expected "cidr_block" to contain a network Value' in problems[2][0]
    assert "nobody" in problems[4][0] and "aws_vpc" in problems[5][0]
    assert "(nobody) is an invalid ARN" in problems[-1][0]

"""Waivers: what a policy check objects to in a resource, and why it stays as it is.

A waiver stands beside the resource that it excuses, and is written into the resource's ``//``,
which Terraform ignores (https://developer.hashicorp.com/terraform/language/syntax/json). In JSON
policy checkers know none of their own: ``ops policy`` reads these, and fails on a finding without a
waiver, on a waiver without a finding, and on one whose day to be looked at again has come.
"""

from datetime import date

from cdktf import TerraformResource

REVIEW = date(2027, 11, 30)  # all are looked at together, once a year


def waive(
    resource: TerraformResource,
    *checks: str,
    reason: str,
    cost: str,
    when: bool = True,
    review: date = REVIEW,
) -> None:
    """Excuse ``resource`` from ``checks``, by their ids, where ``when`` holds.

    ``cost`` is what satisfying them would cost a month, at list prices of us-east-1. On the
    day of ``review`` the waiver ends.
    """
    entry = {"reason": reason, "cost": cost, "review": review.isoformat()}
    for check in checks if when else ():
        resource.add_override(f"//.waivers.{check}", entry)

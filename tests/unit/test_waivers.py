"""A waiver goes into the JSON beside what it excuses, where Terraform does not look."""

from datetime import date

from cdktf import App, TerraformStack
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic

from lib.modules.waivers import REVIEW, waive


def synthesized(tmp_path, fill):
    """The one topic of a stack."""
    app = App(outdir=str(tmp_path))
    stack = TerraformStack(app, "stack")
    fill(SnsTopic(stack, "topic", name="topic"))
    return stack.to_terraform()["resource"]["aws_sns_topic"]["topic"]


def test_each_check_has_an_entry_beside_the_metadata(tmp_path):
    def fill(topic):
        waive(topic, "A_1", "B_1", reason="why", cost="$1", review=date(2027, 1, 2))
        waive(topic, "A_2", reason="so", cost="nothing")

    found = synthesized(tmp_path, fill)
    first = {"reason": "why", "cost": "$1", "review": "2027-01-02"}
    second = {"reason": "so", "cost": "nothing", "review": REVIEW.isoformat()}
    assert found["//"]["waivers"] == {"A_1": first, "B_1": first, "A_2": second}
    assert found["//"]["metadata"]["path"] == "stack/topic"
    assert found["name"] == "topic"


def test_without_its_occasion_there_is_none(tmp_path):
    found = synthesized(
        tmp_path, lambda topic: waive(topic, "A_1", reason="why", cost="$1", when=False)
    )
    assert "waivers" not in found["//"]


def test_a_waiver_is_nothing_that_terraform_reads(stack):
    waived = [resource for resource in stack.resources if "waivers" in resource["//"]]
    assert waived
    for resource in waived:
        assert "waivers" not in {**resource.values, "//": None}

"""The provider: where it works, as whom, and with which tags."""

from tests.synthesized import SUFFIX

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy/tap"


def provider(stack):
    """The stack's one provider."""
    (found,) = stack.document["provider"]["aws"]
    return found


def test_it_works_in_the_environment_s_region(stack):
    assert provider(stack)["region"] == stack.config.region


def test_everything_is_tagged_once(stack):
    (tags,) = provider(stack)["default_tags"]
    assert tags["tags"] == {
        "Project": "tap",
        "Environment": stack.config.name,
        "Suffix": SUFFIX,
        "ManagedBy": "cdktf",
        "Owner": stack.config.owner,
    }
    for resource in stack.resources:
        own = resource.get("tags")
        assert own is None or set(own) == {"Name"}, resource.path


def test_no_account_and_no_role_by_default(stack):
    assert "assume_role" not in provider(stack)
    assert "allowed_account_ids" not in provider(stack)


def test_the_role_arrives_as_an_arn(synthesize):
    assert provider(synthesize("prod", deploy_role_arn=ROLE))["assume_role"] == [{"role_arn": ROLE}]


def test_no_other_account_is_touched(synthesize):
    assert provider(synthesize("prod", account_id=ACCOUNT))["allowed_account_ids"] == [ACCOUNT]


def test_no_credentials_and_no_endpoint(stack):
    assert set(provider(stack)) == {"region", "default_tags"}


def test_the_version_is_the_bindings(stack):
    versions = stack.document["terraform"]["required_providers"]["aws"]
    assert versions == {"source": "aws", "version": "6.25.0"}

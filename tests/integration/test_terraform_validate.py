"""The genuine AWS provider accepts every stack: ``terraform validate``.

The provider is the one of the bindings from the registry or, where there is a mirror, the one in
it. Skipped, with the reason, where neither is to be had. ``make validate`` wants the registry's.
"""

import json
import os
import shutil

import pytest

from lib.config.environment_config import StateBackend, StateLock, WafConfig
from ops.terraform_provider import find_mirror
from tests.conftest import BY_NAME
from tests.integration.terraform import Installed

STACK = "cdk.tf.json"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/8f2a"
VARIANTS = {
    **{name: (name, {}) for name in BY_NAME},
    "password": ("dev", {"password_given": True}),
    "https": (
        "prod",
        {"load_balancer": {"certificate_arn": CERTIFICATE, "domain_name": "app.example.com"}},
    ),
    "account": (
        "prod",
        {
            "account_id": "123456789012",
            "deploy_role_arn": "arn:aws:iam::123456789012:role/tap",
            "permissions_boundary_arn": "arn:aws:iam::123456789012:policy/boundary",
        },
    ),
    "both locks": ("prod", {"state": {"lock": StateLock.BOTH}}),
    "everything off": (
        "prod",
        {
            "encryption": {"customer_key": False},
            "access_logs": None,
            "load_balancer": {"waf": None},
            "database": {
                "audited_statements": (),
                "monitoring_interval_seconds": 0,
                "performance_insights": False,
            },
            "network": {"flow_logs": False},
        },
    ),
    "firewall that counts": ("staging", {"load_balancer": {"waf": WafConfig(block=False)}}),
    "local state": ("dev", {"state": {"backend": StateBackend.LOCAL}}),
}


@pytest.fixture(scope="module", name="terraform")
def _terraform(tmp_path_factory):
    """Runs Terraform in a folder where the provider is installed; skips where it can't be."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform on the PATH")
    folder = tmp_path_factory.mktemp("terraform")
    registry = os.environ.get("TAP_PROVIDER") == "registry"
    terraform = Installed(folder, None if registry else find_mirror(os.environ))
    # Every stack asks for the same provider: one installation serves them all.
    provider = {"aws": {"source": "hashicorp/aws", "version": "6.25.0"}}
    done = terraform.init(STACK, json.dumps({"terraform": {"required_providers": provider}}))
    if (
        not registry
        and done.returncode
        and "Failed to query available provider packages" in done.stderr
    ):
        pytest.skip(f"no provider from a registry or a mirror: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return lambda document: terraform.validate(STACK, json.dumps(document))


@pytest.mark.parametrize(("name", "changes"), VARIANTS.values(), ids=list(VARIANTS))
def test_the_provider_accepts_the_stack(terraform, synthesize, name, changes):
    verdict = terraform(synthesize(name, **changes).document)
    assert verdict["diagnostics"] == []
    assert verdict["valid"] is True


def test_a_stack_that_is_wrong_is_not_accepted(terraform, synthesize):
    """This test can fail: the provider really looks."""
    document = synthesize("dev").document
    (vpc,) = document["resource"]["aws_vpc"].values()
    vpc["cidr_block"] = "10.0.0.0/8"
    verdict = terraform(document)
    assert verdict["valid"] is False
    assert "cidr_block" in json.dumps(verdict["diagnostics"])

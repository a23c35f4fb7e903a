"""Writes the stacks that ``ops policy`` looks at: ``python -m policy.stacks FOLDER``.

Each environment as config has it (``shipped``); with the certificate that a team still has to name
(``certificate``); and with a given password too (``password``).
"""

import dataclasses
import sys
from pathlib import Path

from lib.config import aws_limits
from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig
from lib.config.validation import validate
from lib.errors import ConfigError
from lib.tap_stack import TapStack

from cdktf import App  # isort: skip  # pylint: disable=wrong-import-order  # lib comes before it

VARIANTS = {"shipped": (False, False), "certificate": (True, False), "password": (True, True)}
SUFFIX = "policy"
ACCOUNT = "123456789012"  # of the example's certificate, where config names none


def certified(config: EnvironmentConfig) -> EnvironmentConfig:
    """``config`` with a certificate, its own or an example."""
    own = config.load_balancer.certificate_arn
    partition, account = aws_limits.partition_of(config.region), config.account_id or ACCOUNT
    example = f"arn:{partition}:acm:{config.region}:{account}:certificate/example"
    balancer = dataclasses.replace(
        config.load_balancer,
        certificate_arn=own or example,
        allow_plain_http=False,
        domain_name=config.load_balancer.domain_name or "app.example.com",
    )
    return dataclasses.replace(config, load_balancer=balancer)


def main(folder: Path) -> None:
    """Write every environment in every variant. Raises ``ConfigError`` for a bad one."""
    for variant, (certificate, password) in VARIANTS.items():
        configs = [certified(entry) if certificate else entry for entry in ENVIRONMENTS]
        if problems := validate(configs):
            raise ConfigError(problems)
        app = App(outdir=str(folder / variant))
        for config in configs:
            TapStack(app, config=config, environment_suffix=SUFFIX, password_given=password)
        app.synth()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

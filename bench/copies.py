"""Synthesizes N copies of an environment: ``python -m bench.copies prod 50``.

Each copy has a name and a VPC of its own. They are made through ``TapStack``, as ``tap.py`` does.
"""

import dataclasses
import sys

from bench.contenders import SUFFIX
from lib.config.environment_config import ENVIRONMENTS, EnvironmentConfig


def copies(original: EnvironmentConfig, count: int) -> list[EnvironmentConfig]:
    """The environment, ``count`` times."""
    return [
        dataclasses.replace(
            original,
            name=f"{original.name}{number}",
            network=dataclasses.replace(original.network, cidr=f"10.{number}.0.0/16"),
        )
        for number in range(count)
    ]


def main(name: str, count: int) -> None:
    """Synthesize ``count`` copies of the environment ``name``."""
    # After anything of lib, which makes the bindings load lazily.
    from cdktf import App  # pylint: disable=import-outside-toplevel

    from lib.tap_stack import TapStack  # pylint: disable=import-outside-toplevel

    [original] = [entry for entry in ENVIRONMENTS if entry.name == name]
    app = App()
    for config in copies(original, count):
        TapStack(app, config=config, environment_suffix=SUFFIX)
    app.synth()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

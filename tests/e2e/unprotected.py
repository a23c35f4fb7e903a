"""tap.py without production's protections, which its rules do not let a config take off."""

import dataclasses
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

# pylint: disable=wrong-import-position,wrong-import-order  # lib is found by the line above, and comes before cdktf
from lib.config.selection import select  # noqa: E402
from lib.tap_stack import TapStack  # noqa: E402

from cdktf import App  # noqa: E402  # isort: skip

_settings, (_config,) = select(os.environ)
assert _config.access_logs
_app = App(outdir=os.environ["CDKTF_OUTDIR"])
TapStack(
    _app,
    config=dataclasses.replace(
        _config,
        state=dataclasses.replace(_config.state, deletable=True),
        access_logs=dataclasses.replace(_config.access_logs, deletable=True),
        database=dataclasses.replace(_config.database, deletion_protection=False),
        load_balancer=dataclasses.replace(_config.load_balancer, deletion_protection=False),
    ),
    environment_suffix=_settings.environment_suffix,
)
_app.synth()

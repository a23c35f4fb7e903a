"""tap.py with the sample service, of a version and on a port: see ``tests/dataplane``."""

import dataclasses
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

# pylint: disable=wrong-import-position,wrong-import-order  # lib is found by the line above, and comes before cdktf
from lib.config.environment_config import HealthCheckConfig  # noqa: E402
from lib.config.selection import select  # noqa: E402
from lib.tap_stack import TapStack  # noqa: E402

from cdktf import App  # noqa: E402  # isort: skip

SOURCE = Path(__file__).parents[1] / "dataplane" / "sample_service.py"

_version, *_port = sys.argv[1:]
_settings, (_config,) = select(os.environ)
_service = dataclasses.replace(
    _config.service,
    command=("python", "-c", SOURCE.read_text(encoding="utf-8"), *_port),
    environment={"VERSION": _version},
    # The quickest that ELB takes.
    health_check=HealthCheckConfig(
        interval_seconds=5, timeout_seconds=2, healthy_threshold=2, unhealthy_threshold=2
    ),
    health_check_grace_seconds=2,
)
_app = App(outdir=os.environ["CDKTF_OUTDIR"])
TapStack(
    _app,
    config=dataclasses.replace(
        _config,
        service=_service,
        load_balancer=dataclasses.replace(_config.load_balancer, deregistration_delay_seconds=5),
    ),
    environment_suffix=_settings.environment_suffix,
)
_app.synth()

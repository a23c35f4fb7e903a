"""``ops plan`` and ``ops apply``: a plan to be looked at, and applied as it was.

``plan`` leaves, in ``cdktf.out/plans/<stack>``, all that ``apply`` needs on another machine: the
stack, the lock of its provider, the plan, and the plan for people. Terraform runs elsewhere, in a
folder of each run's own. It refuses to apply a plan once the state has moved on.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lib.config.selection import select
from lib.errors import TapError
from ops import guard
from ops.cdktf_cli import OUTPUT, synthesize
from ops.deploy import say_who_is_waited_for
from ops.state.check import check_deployed
from ops.state.place import Place, place_of
from ops.state.terraform import PLAN, READ_ONLY, Terraform
from ops.terraform.folders import STACK
from ops.terraform.process import interruptible

PLANS = "plans"  # below the output folder
READABLE = "plan.md"
READABLE_MAX = 20_000  # characters; three sections fit in a comment on GitHub, which takes 65,536


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser's ``commands``."""
    plan = commands.add_parser("plan", help="plan ENVIRONMENT, for ops apply")
    plan.add_argument(
        "--running-image", action="store_true", help="the image that runs, not the config's"
    )
    plan.add_argument(
        "--drift", action="store_true", help="the same, and 1 when AWS isn't as planned"
    )
    plan.add_argument("--digest", action="store_true", help="insist on an image by its digest")
    guard.add_allow(plan)
    plan.set_defaults(run=run_plan)
    apply = commands.add_parser("apply", help="apply what ops plan has left")
    guard.add_allow(apply)
    apply.set_defaults(run=run_apply)


def run_plan(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Plan each stack; 1 when the guard refuses, or there is drift.

    Raises ``TapError`` for bad input, before anything is asked, and where Terraform fails.
    """
    _no_more(rest, "plan")
    settings, selected = select(environ)
    if options.digest and "@sha256:" not in (settings.container_image or ""):
        raise TapError(
            "CONTAINER_IMAGE names no digest: there could be another image behind it tomorrow",
            hint="write registry/repository@sha256:<64 hexadecimal digits>",
        )

    def work() -> int:
        codes = []
        for config in selected:
            place = place_of(config, settings.environment_suffix, OUTPUT)
            check_deployed(place)
            with ExitStack() as exits:
                named = {**environ, "ENVIRONMENT": config.name}
                codes.append(_plan(place, options, named, exits))
        return max(codes)

    return interruptible(work, again=".venv/bin/python -m ops plan")


def _plan(
    place: Place, options: argparse.Namespace, environ: Mapping[str, str], exits: ExitStack
) -> int:
    looks = options.drift or options.running_image  # and nobody waits for a look
    source = _synthesized(environ, exits)
    folder = OUTPUT / PLANS / place.stack
    shutil.rmtree(folder, ignore_errors=True)
    terraform = exits.enter_context(Terraform(place, environ, source=source))
    terraform.init()
    if looks and (image := running_image(json.loads(terraform.read("show", "-json")))):
        source = _synthesized({**environ, "CONTAINER_IMAGE": image}, exits)
        shutil.copy(source / STACK, terraform.folder)
    if not looks:
        say_who_is_waited_for(place)
    changed = terraform.plan(lock=not looks, shown=True)
    judged, code = guard.judged(terraform.planned(), options.allow), 0
    if options.drift:
        verdict = f"drift: {place.stack}: {'AWS is not as planned' if changed else 'none'}"
        code = int(changed)
    else:
        verdict = f"guard: {place.stack}: {judged}"
        code = int(bool(judged.refused))
    print(verdict)
    terraform.save(folder)
    text = as_markdown(place.stack, verdict, judged.actions, terraform.readable())
    (folder / READABLE).write_text(text, encoding="utf-8")
    return code


def _synthesized(environ: Mapping[str, str], exits: ExitStack) -> Path:
    """The stack of the one environment, in a folder of its own, which goes with the run."""
    # pylint: disable-next=consider-using-with  # ended by ``exits``
    output = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="tap-synth-")))
    synthesize(environ, output)
    (stack,) = output.glob(f"stacks/*/{STACK}")
    return stack.parent


def run_apply(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Apply the plan of each stack, once the guard has seen all of them; 1 when it refuses.

    Raises ``TapError`` for bad input, where there is no plan, and where Terraform fails.
    """
    _no_more(rest, "apply")
    settings, selected = select(environ)
    places = [place_of(each, settings.environment_suffix, OUTPUT) for each in selected]
    for place in places:
        if not (OUTPUT / PLANS / place.stack / PLAN).exists():
            raise TapError(
                f"there is no plan of {place.stack}", hint="make one: .venv/bin/python -m ops plan"
            )
    return interruptible(
        lambda: _apply(places, options, environ), again=".venv/bin/python -m ops plan"
    )


def _apply(places: Sequence[Place], options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    with ExitStack() as exits:
        stacks: list[tuple[Place, Terraform]] = []
        for place in places:
            check_deployed(place)
            source = OUTPUT / PLANS / place.stack
            terraform = exits.enter_context(Terraform(place, environ, source=source))
            terraform.take(source)
            terraform.init(READ_ONLY)
            stacks.append((place, terraform))
        plans = [(place.stack, terraform.planned()) for place, terraform in stacks]
        if refused := guard.told(plans, options.allow):
            return refused
        for place, terraform in stacks:
            say_who_is_waited_for(place)
            terraform.apply()
    return 0


def running_image(state: Mapping[str, Any]) -> str | None:
    """The image of the service in a state; None where there is none yet.

    Which image runs is what a deploy decides, and no drift.
    """
    resources = state.get("values", {}).get("root_module", {}).get("resources", ())
    for resource in resources:
        if resource["type"] == "aws_ecs_task_definition":
            return json.loads(resource["values"]["container_definitions"])[0]["image"]
    return None


def as_markdown(stack: str, verdict: str, actions: Sequence[str], plan: str) -> str:
    """A plan, and what is said of it, as a section of a comment.

    What the guard says and every address with its action come first and whole; the details take
    the room that is left.
    """
    summary = [line for line in plan.splitlines() if line.startswith(("Plan:", "No changes."))]
    first = "\n".join([verdict, "", *actions]).strip()
    details = plan.strip()
    room = max(READABLE_MAX - len(first), 0)
    if len(details) > room:
        details = f"{details[:room]}\n[cut: the rest is in the log]"
    return (
        f"### {stack}\n\n{' '.join(summary)}\n\n{_block(first)}\n"
        f"<details><summary>Plan</summary>\n\n{_block(details)}\n</details>\n"
    )


def _block(text: str) -> str:
    """Text as it is."""
    fence = "`" * 8
    return f"{fence}\n{text}\n{fence}\n"


def _no_more(rest: list[str], command: str) -> None:
    if rest:
        raise TapError(
            f"unknown argument {rest[0]}", hint=f"see .venv/bin/python -m ops {command} --help"
        )

"""``ops plan`` and ``ops apply``: a plan to be looked at, and applied as it was.

``plan`` leaves, in ``cdktf.out/plans/<stack>``, all that ``apply`` needs on another machine: the
stack, the lock of its provider, the plan, and the plan for people. Terraform refuses to apply it
once the state has moved on.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lib.config.selection import select
from lib.errors import TapError
from ops import guard, planned
from ops.cdktf_cli import stack_ids
from ops.planned import Planned

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
    code = 0
    for entry in selected:
        stack = Planned.synthesized(entry, environ)
        stack.init()
        if (options.drift or options.running_image) and (image := running_image(stack.state())):
            Planned.synthesized(entry, {**environ, "CONTAINER_IMAGE": image}, anew=False)
        changed = stack.plan(shown=True)
        judged, verdict = guard.judged(stack.planned(), options.allow), ""
        if options.drift:
            verdict = f"drift: {stack.stack}: {'AWS is not as planned' if changed else 'none'}"
            code = int(changed) or code
        else:
            verdict = f"guard: {stack.stack}: {judged}"
            code = int(bool(judged.refused)) or code
        print(verdict)
        text = as_markdown(stack.stack, verdict, judged.actions, stack.readable())
        (stack.folder / READABLE).write_text(text, encoding="utf-8")
    return code


def run_apply(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Apply the plan of each stack, once the guard has seen all of them; 1 when it refuses.

    Raises ``TapError`` for bad input, where there is no plan, and where Terraform fails.
    """
    _no_more(rest, "apply")
    stacks = [Planned(planned.PLANS / stack, environ) for stack in stack_ids(*select(environ))]
    for stack in stacks:
        if not stack.exists:
            raise TapError(f"there is no plan of {stack.stack}", hint="make one with ops plan")
    for stack in stacks:
        stack.init("-lockfile=readonly")
    if refused := guard.told([(stack.stack, stack.planned()) for stack in stacks], options.allow):
        return refused
    for stack in stacks:
        stack.apply()
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
        raise TapError(f"unknown argument {rest[0]}", hint=f"see ops {command} --help")

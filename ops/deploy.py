"""``ops cdktf``: synth, diff, deploy and destroy, for the stacks that ENVIRONMENT stands for.

One way to change anything: the state is looked at, the change is planned, the guard judges the
plan, a person sees and approves it, and that very plan is applied. Of several stacks all are
planned, judged and approved before the first is changed; they are changed one after the other, in
their order. The first deploy makes the bucket that the state lives in; a destroy is the teardown.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lib.config.environment_config import StateBackend
from lib.config.selection import select
from lib.errors import TapError
from lib.modules.naming import NamingModule
from ops import graceful, guard
from ops.cdktf_cli import OUTPUT, synthesize
from ops.state.bootstrap import bootstrap
from ops.state.check import check, check_deployed, check_local
from ops.state.commands import confirm_teardown
from ops.state.locks import Locks
from ops.state.mend import doing, mend_file
from ops.state.place import Place, place_of
from ops.state.teardown import teardown
from ops.state.terraform import Terraform
from ops.terraform.process import LOCK_TIMEOUT, interruptible


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("cdktf", help="synth, diff, deploy or destroy ENVIRONMENT")
    parser.add_argument("verb", choices=["synth", "diff", "deploy", "destroy"])
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="of the synthesis")
    parser.add_argument("--skip-synth", action="store_true", help="take the stacks as they are")
    parser.add_argument("--auto-approve", action="store_true", help="ask nobody")
    parser.add_argument("--parallelism", type=int, help="how much Terraform does at a time")
    # The CLI's: here no provider is locked but by Terraform's own init.
    parser.add_argument("--skip-provider-lock", action="store_true", help=argparse.SUPPRESS)
    guard.add_allow(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Do it; returns the exit code, 1 where the guard refuses.

    Raises ``TapError`` for bad input, before anything runs, and where Terraform or AWS refuse.
    """
    if rest:
        raise TapError(
            f"unknown argument {rest[0]}",
            hint="see .venv/bin/python -m ops cdktf --help; npx cdktf takes the CLI's own",
        )
    settings, selected = select(environ)
    if not options.skip_synth:
        synthesize(environ, options.output)
    if options.verb == "synth":
        for config in selected:
            naming = NamingModule(config.name, config.region, settings.environment_suffix)
            print(options.output / "stacks" / naming.stack_id / "cdk.tf.json")
        return 0
    does = _destroy if options.verb == "destroy" else _change

    def work() -> int:
        suffix, output = settings.environment_suffix, options.output.resolve()
        return does([place_of(each, suffix, output) for each in selected], options, environ)

    return interruptible(work, again=f"npm run cdktf:{options.verb}")


def _destroy(
    places: Sequence[Place], options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    for place in places:
        check_local(place)
        approved = options.auto_approve and not place.production
        confirm_teardown(place, [place.stack] if approved else [])
    for place in places:
        teardown(place, environ, tell, options.allow)
    return 0


def _change(
    places: Sequence[Place], options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    """Plan, judge and show; for a deploy, approve and apply that."""
    deploys = options.verb == "deploy"
    parallel = [f"-parallelism={options.parallelism}"] if options.parallelism else []
    for place in places:
        if deploys:
            _prepare(place, environ, approved=options.auto_approve)
        else:
            check_deployed(place)
    with ExitStack() as exits:
        changed: list[tuple[Place, Terraform]] = []
        for place in places:
            terraform = exits.enter_context(Terraform(place, environ))
            terraform.init()
            if deploys:
                say_who_is_waited_for(place)
            if terraform.plan(*parallel, lock=deploys, shown=True):
                changed.append((place, terraform))
        plans = [(place.stack, terraform.planned()) for place, terraform in changed]
        refused = guard.told(plans, options.allow)
        if not deploys:
            return 0
        if refused or not changed:
            return refused
        _approve(f"Apply {' and '.join(place.stack for place, _ in changed)}", options.auto_approve)
        for place, terraform in changed:
            say_who_is_waited_for(place)
            terraform.apply(*parallel)
    return 0


def _prepare(place: Place, environ: Mapping[str, str], *, approved: bool) -> None:
    """See to the state before a deploy: where it is missing, the first one makes its bucket."""
    if place.backend is StateBackend.LOCAL:
        check_deployed(place)
        return
    mend_file(place, doing(tell))  # killed in the first deploy
    if not check(place).settled:
        _approve(
            f"The first deploy of {place.stack} makes the bucket and the lock table of its state, "
            "before the rest",
            approved,
        )
        bootstrap(place, environ, tell)


def _approve(what: str, approved: bool) -> None:
    """Ask a person. Raises ``TapError`` unless the answer is yes."""
    if approved or (sys.stdin.isatty() and input(f"{what}? Type yes: ").strip() == "yes"):
        return
    raise TapError(f"{what}: not approved", hint="npm run cdktf:deploy -- --auto-approve")


def say_who_is_waited_for(place: Place) -> None:
    """Whoever holds the lock: Terraform waits for it without a word."""
    if place.backend is StateBackend.S3:
        for lock in Locks(place).held():
            limit = LOCK_TIMEOUT.partition("=")[2]
            graceful.say(
                f"{place.stack} is locked by {lock}: waiting for its end, {limit} at most. "
                f"If it is dead for certain: pipenv run state unlock {lock.id}"
            )


def tell(text: str) -> None:
    """For a person to follow what is done."""
    print(f"tap: {text}", flush=True)

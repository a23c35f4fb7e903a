"""``ops cdktf``: synth, diff, deploy and destroy, for the stacks that ENVIRONMENT stands for.

The cdktf CLI does the work. Before it, this sees to the state: the first deploy makes the bucket
that it lives in, nothing is deployed onto a state that is missing or not the newest, and a destroy
takes the state home before its bucket goes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.config.environment_config import EnvironmentConfig, StateBackend
from lib.config.selection import select
from lib.errors import TapError
from ops import graceful, guard
from ops.cdktf_cli import CDKTF, OUTPUT, cli_arguments, cli_environ, synthesize
from ops.graceful import Command
from ops.planned import guarded
from ops.state.bootstrap import bootstrap, check, check_saved
from ops.state.commands import confirm_teardown
from ops.state.homes import RECOVER, Homes
from ops.state.locks import Locked, Locks
from ops.state.mend import doing, mend_file
from ops.state.place import Place, place_of
from ops.state.teardown import teardown
from ops.state.terraform import forget
from ops.terraform import Interrupted


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser's ``commands``."""
    parser = commands.add_parser("cdktf", help="run the cdktf CLI for the stacks of ENVIRONMENT")
    parser.add_argument("verb", choices=["synth", "diff", "deploy", "destroy"])
    guard.add_allow(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack of ENVIRONMENT, and where its state can be."""

    config: EnvironmentConfig
    place: Place

    @property
    def in_bucket(self) -> bool:
        """Whether its state belongs there."""
        return self.config.state.backend is StateBackend.S3


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run the CLI, with ``rest`` as its further arguments; returns its exit code.

    Raises ``TapError`` for bad input, before anything runs, and where the CLI isn't installed.
    """
    settings, selected = select(environ)
    if not CDKTF.exists():
        raise TapError("the cdktf CLI is not installed", hint="run npm ci")
    environ = cli_environ(environ)
    given = _given(rest)
    if options.verb == "synth":
        _check_nothing_unsaved(given.output)
        return _cli([options.verb, *rest], environ)
    if not given.skip_synth:
        synthesize(environ, given.output)
        rest = [*rest, "--skip-synth"]
    stacks = [
        Stack(config, place_of(config, settings.environment_suffix, given.output.resolve()))
        for config in selected
    ]
    try:
        with graceful.ended_by_signals():
            stacks = _prepared(options.verb, stacks, environ, approved=given.auto_approve)
            if options.verb == "deploy":
                if code := guarded([stack.config for stack in stacks], environ, options.allow):
                    return code
    except (KeyboardInterrupt, Interrupted):
        graceful.say("interrupted: run it again, it goes on from there")
        return graceful.INTERRUPTED
    if not stacks:
        return 0
    for arguments in cli_arguments(options.verb, [stack.place.stack for stack in stacks]):
        if code := _cli([*arguments, *rest], environ):
            _say_who_is_in_the_way(stacks)
            return code
    return 0


def _cli(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    (code,) = graceful.run(Command([CDKTF, *arguments], environ))
    if code == graceful.INTERRUPTED:
        graceful.say("adopt what AWS was still making: docs/recover.md has the command")
    return code


def _given(rest: Sequence[str]) -> argparse.Namespace:
    """What the CLI is given that concerns us too, in its own words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--skip-synth", action="store_true")
    parser.add_argument("--auto-approve", action="store_true")
    return parser.parse_known_args(rest)[0]


def _prepared(
    verb: str, stacks: list[Stack], environ: Mapping[str, str], *, approved: bool
) -> list[Stack]:
    """See to the state of each; returns those that the CLI has to work on."""
    left = []
    for stack in stacks:
        place = stack.place
        check_saved(place)
        if not stack.in_bucket:
            if verb != "diff":
                _check_local(place)
        elif verb == "destroy":
            confirm_teardown(place, [place.stack] if approved and not place.production else [])
            teardown(place, environ, _tell)
            continue
        else:
            if verb == "deploy":
                mend_file(place, doing(_tell))  # killed in the first deploy
            if not check(place).settled:
                if verb == "diff":
                    raise TapError(
                        f"{place.stack} has no state in its bucket yet",
                        hint="npm run cdktf:deploy; "
                        "before that, STATE_BACKEND=local npm run cdktf:diff",
                    )
                _approve(place, approved=approved)
                bootstrap(place, environ, _tell)
        forget(place)
        left.append(stack)
    return left


def _check_local(place: Place) -> None:
    """Raise ``TapError`` where the state is in the bucket: a local one would begin at nothing."""
    homes = Homes.of(place)
    if homes.remote or (homes.kept and not homes.local):
        raise TapError(
            f"the state of {place.stack} is in {place.bucket}, and STATE_BACKEND says local",
            hint="unset STATE_BACKEND, or move it: pipenv run state migrate --to local",
        )


def _check_nothing_unsaved(output: Path) -> None:
    """Raise ``TapError`` where the CLI would delete what Terraform could not save elsewhere."""
    for file in output.glob("stacks/*/errored.tfstate"):
        raise TapError(
            f"Terraform could not save the state of {file.parent.name}: it is in {file}",
            hint=RECOVER,
        )


def _approve(place: Place, *, approved: bool) -> None:
    """Ask for what comes before the CLI, which then asks for the rest."""
    if approved:
        return
    what = f"The first deploy of {place.stack} makes the bucket and the lock table of its state"
    if sys.stdin.isatty() and input(f"{what}, before the rest. Type yes: ").strip() == "yes":
        return
    raise TapError(f"{what}: not approved", hint="npm run cdktf:deploy -- --auto-approve")


def _say_who_is_in_the_way(stacks: Sequence[Stack]) -> None:
    """After a failure: who holds the lock, if that was it."""
    for stack in stacks:
        if stack.in_bucket:
            for lock in Locks(stack.place).held():
                graceful.say("\n".join(Locked(lock).lines()))


def _tell(text: str) -> None:
    print(f"tap: {text}", flush=True)

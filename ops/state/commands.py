"""``ops state`` and ``ops recover``: the commands, for each stack of ENVIRONMENT."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lib.config.environment_config import EnvironmentConfig, StateBackend
from lib.config.selection import select
from lib.errors import TapError
from ops import graceful, guard
from ops.cdktf_cli import OUTPUT, synthesize
from ops.state.bootstrap import bootstrap, document_of
from ops.state.check import check
from ops.state.mend import Mender, release
from ops.state.move import move_home, move_in
from ops.state.place import Place, place_of
from ops.state.policy import policy_of
from ops.state.status import Status
from ops.state.teardown import teardown
from ops.state.terraform import Terraform
from ops.terraform.process import interruptible

Verb = Callable[[Place, argparse.Namespace, Mapping[str, str]], int]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the parser's ``commands``."""
    parser = commands.add_parser("state", help="the Terraform state of ENVIRONMENT's stacks")
    verbs = parser.add_subparsers(dest="verb", required=True)

    def add(verb: Verb, text: str, where: Any = verbs) -> argparse.ArgumentParser:
        added = where.add_parser(verb.__name__.lstrip("_"), help=text, description=text)
        added.add_argument(
            "--output", type=Path, default=OUTPUT, help="where the stacks are synthesized to"
        )
        added.set_defaults(run=run, verb=added.prog, do=verb, synthesizes=False)
        return added

    def adds_terraform(verb: Verb, text: str, where: Any = verbs) -> argparse.ArgumentParser:
        added = add(verb, text, where)
        added.add_argument("--skip-synth", action="store_true", help="take the stacks as they are")
        added.set_defaults(synthesizes=True)
        return added

    status = add(_status, "where the state is, and who holds its lock")
    status.add_argument("--json", action="store_true", help="the result as JSON")
    adds_terraform(_bootstrap, "make the bucket and the lock table, and move the state in")
    migrate = adds_terraform(_migrate, "move the state from one home to the other")
    migrate.add_argument("--to", required=True, type=StateBackend, choices=[*StateBackend])
    unlock = add(_unlock, "release a lock that a dead deploy left")
    unlock.add_argument("id", nargs="?", help="the lock's, as status shows it")
    for where in (verbs, commands):
        text = "bring back a lost state, and adopt what it lacks"
        recover = adds_terraform(_recover, text, where)
        recover.add_argument("--unlock", metavar="ID", help="release that lock first")
        recover.add_argument("--dry-run", action="store_true", help="say what would be done")
        recover.add_argument("--json", action="store_true", help="the result as JSON")
    remove = adds_terraform(_teardown, "destroy the stack; its bucket goes last")
    remove.add_argument(
        "--yes-destroy", metavar="STACK", action="append", default=[], help="ask nobody"
    )
    guard.add_allow(remove)
    policy = add(_policy, "write the IAM policy that the state needs of a role")
    policy.add_argument("--operate", action="store_true", help="for all of ops state, not deploys")


def run(options: argparse.Namespace, rest: list[str], environ: Mapping[str, str]) -> int:
    """Run one of the verbs for each stack; the highest of their exit codes.

    Raises ``TapError`` for bad input, and where Terraform or AWS refuse to work.
    """
    if rest:
        raise TapError(
            f"unknown argument {rest[0]}", hint=f"see .venv/bin/python -m {options.verb} --help"
        )
    settings, selected = select(environ)
    if options.do is _unlock and len(selected) > 1:
        raise TapError("a lock is one stack's", hint="name one ENVIRONMENT")
    if options.synthesizes and not options.skip_synth:
        synthesize({**environ, "STATE_BACKEND": StateBackend.S3}, options.output)
    return interruptible(
        lambda: max(
            options.do(_place(config, settings.environment_suffix, options), options, environ)
            for config in selected
        ),
        again=f".venv/bin/python -m {options.verb}",
    )


def _place(config: EnvironmentConfig, suffix: str, options: argparse.Namespace) -> Place:
    place = place_of(config, suffix, options.output.resolve())
    if options.synthesizes and not (place.folder / "cdk.tf.json").exists():
        raise TapError(f"{place.stack} is not synthesized", hint="leave out --skip-synth")
    return place


def _tell(text: str) -> None:
    print(f"tap: {text}", flush=True)


def _status(place: Place, options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    status = Status.of(place)
    if options.json:
        print(json.dumps(status.record(), indent=2))
    else:
        print("\n".join(status.lines()), flush=True)
    return 1 if status.problems else 0


def _bootstrap(place: Place, _options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    bootstrap(place, environ, _tell)
    return _status_told(place)


def _migrate(place: Place, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    homes = check(place)
    to_bucket = options.to is StateBackend.S3
    source, target = (homes.local, homes.remote) if to_bucket else (homes.remote, homes.local)
    if source is None and target is None:
        raise TapError("there is no state to move", hint="npm run cdktf:deploy makes one")
    if source is None:
        _tell(f"{place.stack}: the state is there already: {target}")
    elif not homes.bucket_exists:
        raise TapError(f"there is no bucket {place.bucket}", hint="pipenv run state bootstrap")
    elif to_bucket:
        with Terraform(place, environ) as terraform:
            move_in(place, terraform, _tell)
    else:
        with Terraform(place, environ) as terraform:
            move_home(place, terraform, _tell)
        _tell("from here on: STATE_BACKEND=local, or backend=StateBackend.LOCAL in the config")
    return 0


def _unlock(place: Place, options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    if options.id is None:
        return _status_told(place) or 1
    release(place, options.id, _tell)
    return 0


def _recover(place: Place, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    tell = graceful.say if options.json else _tell
    if options.unlock and not options.dry_run:
        release(place, options.unlock, tell)
    report = Mender(place, environ, tell, dry_run=options.dry_run).mend()
    if report is None:
        return 1
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print("\n".join(report.lines()), flush=True)
    return 1 if report.problems else 0


def _teardown(place: Place, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    confirm_teardown(place, options.yes_destroy)
    teardown(place, environ, _tell, options.allow)
    return 0


def _policy(place: Place, options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    print(json.dumps(policy_of(place, operate=options.operate), indent=2))
    return 0


def _status_told(place: Place) -> int:
    status = Status.of(place)
    print("\n".join(status.lines()), flush=True)
    return 1 if status.problems else 0


def confirm_teardown(place: Place, named: list[str]) -> None:
    """Raise ``TapError`` unless a person has named the stack that goes, now or as an option."""
    if place.stack in named:
        return
    refused = TapError(
        f"{place.stack} is not named: nothing was destroyed",
        hint=f"type it, or: pipenv run state teardown --yes-destroy {place.stack}",
    )
    if not sys.stdin.isatty():
        raise refused
    databases = document_of(place)["resource"].get("aws_db_instance", {}).values()
    snapshots = [
        each["final_snapshot_identifier"]
        for each in databases
        if "final_snapshot_identifier" in each
    ]
    _tell(
        f"destroys {place.stack}, its database, its logs and its state"
        + (f"; the snapshot {snapshots[0]} stays" if snapshots else "; nothing stays")
    )
    if input(f"The stack's name, to destroy it ({place.stack}): ").strip() != place.stack:
        raise refused

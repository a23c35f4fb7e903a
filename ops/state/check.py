"""The one look at a stack's state, before each plan and before each apply of a saved plan."""

from lib.config.environment_config import StateBackend
from lib.errors import TapError
from ops.state.homes import Homes
from ops.state.place import Place


def check(place: Place) -> Homes:
    """Look where the state is. Raises ``TapError`` where a change would lose something: on a state
    that is missing, cut short, not the newest or another stack's."""
    homes = Homes.of(place)
    for problem in homes.problems(place):
        raise problem
    return homes


def check_deployed(place: Place) -> Homes:
    """The same, where the state has to be where the config wants it."""
    check_local(place)
    homes = check(place)
    if place.backend is StateBackend.S3 and not homes.settled:
        raise TapError(
            f"{place.stack} has no state in its bucket yet",
            hint="npm run cdktf:deploy; before that, STATE_BACKEND=local npm run cdktf:diff",
        )
    return homes


def check_local(place: Place) -> None:
    """Raise ``TapError`` where the state is in the bucket: a local one would begin at nothing."""
    if place.backend is StateBackend.S3:
        return
    homes = Homes.of(place)
    if homes.remote or (homes.kept and not homes.local):
        raise TapError(
            f"the state of {place.stack} is in {place.bucket}, and STATE_BACKEND says local",
            hint="unset STATE_BACKEND, or move it: pipenv run state migrate --to local",
        )

"""``ops policy``: every environment's synthesized stack, held against rules; ``make policy``.

Two checkers: checkov (``checkov``) and this project's own rules for what that misses (``rules``). A
third, tf-nag, looks at plans (``nag``): ``make e2e`` has some. What they find has to be mended, or
to be excused by a waiver beside the resource (``lib/modules/waivers.py``); ``docs/policy.md`` lists
those.
"""

from ops.policy.command import add_parser

__all__ = ["add_parser"]

"""Where a field of an environment's config is written: the line that a person would change."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.config import environment_config

FILE = Path(environment_config.__file__)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of ``environment_config.py``: an environment's own, and each class's defaults."""

    environments: Mapping[str, ast.Call]
    classes: Mapping[str, ast.ClassDef]

    @classmethod
    def read(cls, source: str) -> "Lines":
        """From the module's text."""
        tree = ast.parse(source)
        environments = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node) == "EnvironmentConfig":
                for argument in node.keywords:
                    if argument.arg == "name" and isinstance(argument.value, ast.Constant):
                        environments[argument.value.value] = node
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        return cls(environments, classes)

    def of(self, environment: str, path: str) -> int | None:
        """The line of a field, or of its class's default; None where it is made some other way."""
        call: ast.AST | None = self.environments.get(environment)
        class_ = "EnvironmentConfig"
        line: int | None = None
        for name in path.split("."):
            default = self._default(class_, name)
            argument = _keyword(call, name) if call else None
            if argument:
                line, call = argument.lineno, argument.value
            elif default:
                line, call = default.lineno, default.value
            else:
                return None
            class_ = _name(call)
        return line

    def _default(self, class_: str, name: str) -> ast.AnnAssign | None:
        for node in self.classes[class_].body if class_ in self.classes else ():
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
                return node
        return None


def _name(node: ast.AST | None) -> str:
    """What is called: ``DatabaseConfig`` of ``DatabaseConfig(...)``."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _keyword(node: ast.AST, name: str) -> ast.keyword | None:
    for argument in node.keywords if isinstance(node, ast.Call) else ():
        if argument.arg == name:
            return argument
    return None

"""Terraform in a folder where the provider is installed once."""

import json
import os
import subprocess

ENVIRON = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "GOGC": "400"}


class Installed:
    """Terraform's own verdict on configurations; the provider is the mirror's, if there is one."""

    def __init__(self, folder, mirror):
        self._folder = folder
        self._environ = {**os.environ, **ENVIRON}
        if mirror:
            self._environ["TF_CLI_CONFIG_FILE"] = str(mirror.write_cli_config(folder))
            mirror.write_override(folder)

    def init(self, name, text):
        """Install the provider that a configuration asks for."""
        self._write(name, text)
        return self._run("init", "-no-color", "-backend=false")

    def validate(self, name, text):
        """The verdict on a configuration in a file of this name."""
        self._write(name, text)
        return json.loads(self._run("validate", "-json").stdout)

    def _write(self, name, text):
        (self._folder / name).write_text(text, encoding="utf-8")

    def _run(self, *arguments):
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
        )

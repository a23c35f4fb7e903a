"""``python -m ops.emulator``: see ``server``."""

from ops.emulator.server import main

if __name__ == "__main__":
    main()

"""What needs the policy checkers themselves: run by make policy, which installs them."""

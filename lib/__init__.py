"""TAP: one service, in each environment that its config has, on AWS.

Importing anything of it makes the AWS bindings load lazily, so it comes before cdktf.
"""

from lib import aws_bindings

aws_bindings.install()

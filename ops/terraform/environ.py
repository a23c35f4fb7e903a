"""The environment that Terraform gets: which variables of the person's shell reach it.

TAP says which state Terraform works on, in which folder and with which arguments. A variable that
changes one of these would make Terraform look at another state than TAP: it is left out, and a
person reads that it is. Everything else goes through.

https://developer.hashicorp.com/terraform/cli/config/environment-variables
https://developer.hashicorp.com/terraform/language/backend/s3
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

# What is left out, by what it would change.
LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "the state that Terraform works on": (
        "TF_WORKSPACE",
        "TF_FORCE_LOCAL_BACKEND",
        # Of the S3 backend alone: boto3, which TAP looks at the state with, knows none of them.
        "AWS_S3_ENDPOINT",
        "AWS_DYNAMODB_ENDPOINT",
        "AWS_IAM_ENDPOINT",
        "AWS_STS_ENDPOINT",
        "AWS_SSE_CUSTOMER_KEY",
    ),
    "how often Terraform saves it": ("TF_STATE_PERSIST_INTERVAL",),
    "the folder of its providers and its backend": ("TF_DATA_DIR",),
    "the arguments that TAP gives it": ("TF_CLI_ARGS", "TF_CLI_ARGS_*"),
    "the program that makes the changes": ("TF_REATTACH_PROVIDERS",),
    "the providers that the lock file names": ("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE",),
    "the tags in the config": ("TF_AWS_DEFAULT_TAGS_*",),
    "the password, which DB_PASSWORD names": ("TF_VAR_db_password",),
}


def for_terraform(
    environ: Mapping[str, str], tell: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """``environ`` as Terraform gets it. ``tell`` hears of each variable that is left out."""
    kept = {**environ}
    for what, patterns in LEFT_OUT.items():
        for name in [name for name in kept if any(fnmatchcase(name, each) for each in patterns)]:
            if kept.pop(name):
                tell(f"{name} is left out: it changes {what}")
    password = environ.get("DB_PASSWORD")
    # CHECKPOINT_DISABLE: Terraform otherwise asks a server for newer versions.
    return (
        {"CHECKPOINT_DISABLE": "1"} | kept | ({"TF_VAR_db_password": password} if password else {})
    )

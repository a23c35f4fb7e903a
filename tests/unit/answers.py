"""What AWS says where moto says nothing of it: one operation's answer, checked against its model."""

from contextlib import contextmanager
from types import SimpleNamespace

from botocore.validate import validate_parameters


@contextmanager
def answered(client, operation, answer):
    """Let ``operation``, such as ``ListTasks``, be answered so; every other goes to moto."""
    validate_parameters(answer, client.meta.service_model.operation_model(operation).output_shape)
    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"

    def reply(**_):
        return SimpleNamespace(status_code=200, headers={}), answer

    client.meta.events.register_first(event, reply)
    try:
        yield
    finally:
        client.meta.events.unregister(event, reply)

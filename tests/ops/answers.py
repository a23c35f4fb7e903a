"""What AWS says where moto says nothing of it: answers, checked against the operations' models."""

from contextlib import contextmanager
from types import SimpleNamespace

from botocore.exceptions import ClientError
from botocore.validate import validate_parameters


class Answers:
    """``answers["RunTask"]`` is what a call is answered: a function of its arguments, or a list of
    such or of answers, used up one by one. ``asked`` holds what was asked, in order."""

    def __init__(self, answers):
        self.asked = []
        self._answers = answers

    def of(self, operation):
        """The arguments of each call of an operation."""
        return [arguments for name, arguments in self.asked if name == operation]

    @contextmanager
    def on(self, *clients):
        """Answer for these clients."""
        handlers = []
        for client in clients:
            for operation in self._answers:
                if operation not in client.meta.service_model.operation_names:
                    continue
                service = client.meta.service_model.service_id.hyphenize()
                for event, handler in (
                    (f"provide-client-params.{service}.{operation}", self._note(operation)),
                    (f"before-call.{service}.{operation}", self._answer(operation)),
                ):
                    client.meta.events.register(event, handler)
                    handlers.append((client, event, handler))
        try:
            yield self
        finally:
            for client, event, handler in handlers:
                client.meta.events.unregister(event, handler)

    def _note(self, operation):
        def note(params, **_):
            self.asked.append((operation, params))

        return note

    def _answer(self, operation):
        def answer(model, **_):
            found = self._answers[operation]
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            if callable(found):
                found = found(self.of(operation)[-1])
            if isinstance(found, BaseException):
                raise found
            validate_parameters(found, model.output_shape)
            return SimpleNamespace(status_code=200, headers={}), found

        return answer


def refusal(operation, code, message="no"):
    """An error that AWS answers with."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def answered(client, operation, answer):
    """Let one operation, such as ``ListTasks``, be answered so; every other goes to moto."""
    return Answers({operation: answer}).on(client)

"""What the fleet refuses. Each message is one sentence for the person who asked."""

from infra.errors import UserError


class RequestError(UserError):
    """A request that cannot be done as asked."""


class UnknownNameError(RequestError):
    """What was named does not exist."""


class ConflictError(RequestError):
    """It is at odds with what there is: a name taken, a run that runs already, a node that takes no tasks."""

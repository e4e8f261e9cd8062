"""What the API refuses, by status code. The message is one sentence for the person who asked."""

from infra.errors import UserError


class ApiError(UserError):
    """A request that cannot be done as asked (400)."""

    status = 400


class NotFoundError(ApiError):
    """What was named does not exist (404)."""

    status = 404


class DoesNotFitError(ApiError):
    """It would pass a limit; the sentence says which, and what to do (409)."""

    status = 409


class TooLargeError(ApiError):
    """The body is larger than what it is for may be (413)."""

    status = 413


class UnavailableError(ApiError):
    """A server that is needed does not answer now (503)."""

    status = 503


class UnseenError(UnavailableError):
    """It is written, but not read back yet (503)."""

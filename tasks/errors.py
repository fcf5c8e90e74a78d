"""The errors a user can cause, each with the exit code the command line ends with.

They name the thing, the value and the way out, so they are shown without a traceback.
"""


class UserError(Exception):
    """Something the user can mend: a setting, a path, a missing file."""

    exit_code = 2


class GateClosed(UserError):
    """The gate before DPO stayed closed; the message lists why in plain words."""

    exit_code = 3


class StageFailed(UserError):
    """A stage ended without its result; the message says where its log is and how to resume."""

    exit_code = 1

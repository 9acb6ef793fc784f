"""The one error that is the user's: what was asked cannot be done, and one sentence says why and what to do."""


class UserError(Exception):
    """What the user did, in one sentence that names the file, line or key and the fix.

    The commands print it and end with exit code 2; a server answers 400. Everything else that is raised, but for
    OSError, is a mistake of this package, and is shown with its traceback. It is no ValueError, so that a broadcasting
    error in our own arithmetic is never taken for the user's.
    """

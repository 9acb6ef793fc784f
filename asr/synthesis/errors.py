"""What goes wrong where speech is synthesised."""

from asr.errors import UserError


class SynthesisError(UserError):
    """Speech that cannot be synthesised; the message is one sentence."""

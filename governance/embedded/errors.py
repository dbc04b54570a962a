"""What goes wrong with embedded servers, said in one line."""


class EmbeddedError(SystemExit):
    """An embedded server cannot start; the message is one line and names the remedy.

    A ``SystemExit``, so that every command ends with that line and no traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"Lockgate: {message}")


def describe(error: OSError) -> str:
    """Say what the operating system refused, and where."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason

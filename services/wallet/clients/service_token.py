"""The wallet's own identity towards points and ledger, from a file that somebody else renews."""

from pathlib import Path

from services.common.kernel.errors import Unavailable

Metadata = tuple[tuple[str, str], ...]


class TokenUnreadable(Unavailable):
    """The file with the service's token cannot be read, or is empty; nothing was sent."""

    reason = "IDENTITY_UNAVAILABLE"


class ServiceToken:
    """A bearer token, read again whenever its file has changed."""

    def __init__(self, file: Path) -> None:
        """Take where the token is; it need not be there yet."""
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._metadata: Metadata = ()

    def metadata(self) -> Metadata:
        """Give the token as metadata of a call.

        Raises:
            TokenUnreadable: there is no token.
        """
        try:
            state = self._file.stat()
            version = (state.st_ino, state.st_mtime_ns, state.st_size)
            if version != self._version:
                self._metadata = _bearer(self._file.read_text("ascii"))
                self._version = version
        except (OSError, UnicodeDecodeError) as error:
            raise TokenUnreadable("The service's token cannot be read.") from error
        return self._metadata


def _bearer(text: str) -> Metadata:
    token = text.strip()
    if not token:
        raise TokenUnreadable("The service's token is empty.")
    return (("authorization", f"Bearer {token}"),)

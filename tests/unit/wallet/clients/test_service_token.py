"""Our own token: read from its file, and read again when somebody has renewed it."""

from pathlib import Path

import pytest

from services.wallet.clients.service_token import ServiceToken, TokenUnreadable


class TestServiceToken:
    def test_follows_its_file(self, tmp_path: Path) -> None:
        """A renewed token is used from the next call on."""
        file = tmp_path / "token"
        token = ServiceToken(file)
        file.write_text("first\n")
        first = [token.metadata() for _ in range(2)]
        renewed = tmp_path / "renewed"
        renewed.write_text("second")
        renewed.replace(file)

        assert first == [(("authorization", "Bearer first"),)] * 2
        assert token.metadata() == (("authorization", "Bearer second"),)

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
    def test_without_a_token_nothing_is_sent(self, tmp_path: Path, content: bytes | None) -> None:
        """A file that is missing, empty or no text is trouble that passes, and is told as such."""
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(TokenUnreadable):
            ServiceToken(file).metadata()

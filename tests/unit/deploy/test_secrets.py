"""The stack's passwords and keys."""

import json
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths, stack_paths, write_private
from deploy.local.secrets import (
    load_passwords,
    load_provider_secrets,
    read_passwords,
    read_provider_secrets,
    role_names,
)


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """Return the paths of a folder without a stack."""
    paths = stack_paths(tmp_path)
    paths.make()
    return paths


class TestProviderSecrets:
    def test_are_made_once(self, paths: StackPaths) -> None:
        """A second start finds the keys of the first, and the roles' passwords stay."""
        passwords = load_passwords(paths)

        made = load_provider_secrets(paths)

        assert load_provider_secrets(paths) == read_provider_secrets(paths) == made
        assert read_passwords(paths) == passwords
        assert paths.secrets.stat().st_mode & 0o777 == 0o600

    def test_look_like_what_they_are(self, paths: StackPaths) -> None:
        """Clients of the provider tell keys by how they begin; no two are alike."""
        load_passwords(paths)

        made = load_provider_secrets(paths)

        assert made.key.startswith("sk_test_")
        assert made.publishable_key.startswith("pk_test_")
        assert made.webhook_secret.startswith("whsec_")
        assert len({name.rpartition("_")[2] for name in (made.key, made.publishable_key)}) == 2

    def test_are_never_shown(self, paths: StackPaths) -> None:
        """A log of the object shows no key."""
        load_passwords(paths)

        assert "_test_" not in repr(load_provider_secrets(paths))

    def test_of_an_earlier_version_are_added_by_the_next_start(self, paths: StackPaths) -> None:
        """A folder from before there was a provider keeps its passwords and gets the keys."""
        old = dict.fromkeys(role_names(), "old")
        write_private(paths.secrets, json.dumps(old))
        with pytest.raises(StackError, match="earlier version"):
            read_provider_secrets(paths)

        load_provider_secrets(paths)

        assert read_passwords(paths).by_role == old
        assert read_provider_secrets(paths).key

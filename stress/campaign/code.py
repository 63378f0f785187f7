"""What code a campaign runs: the model's by its hash, the user's own by its text.

A campaign's counts speak of one code. When it has changed, be it the patch, what that imports, a
scenario of the user's or the model itself, the directory begins a new generation
(:mod:`stress.campaign.history.generations`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stress.errors import UsageError
from stress.files import make_folder, read_plain, write_atomically
from stress.patch.load import READ_MIB_MAX
from stress.patch.spec import KEPT, kept
from stress.patch.vet import absent
from stress.sources import sources_hash, version

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.patch.load import Patch
    from stress.workers.settings import Settings

HASH_BYTES = 8


@dataclass(frozen=True)
class Text:
    """A file of the user's own: what it is for, its path as the user typed it, and its text."""

    role: str
    """``patch``, ``scenario``, or ``versus``."""
    path: str
    text: str

    @property
    def hash(self) -> str:
        """The hash of the text, 16 hex digits."""
        return hashlib.blake2b(self.text.encode(), digest_size=HASH_BYTES).hexdigest()


@dataclass(frozen=True)
class Code:
    """All code that has a say in what an execution does. ``zapstress`` is the tool's version."""

    zapstress: str = ""
    model: str = ""
    """The hash over the model's sources (:func:`stress.sources.sources_hash`)."""
    patch: str = ""
    """The hash of the patch, or ``""`` if there is none."""
    texts: tuple[Text, ...] = ()
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What the patch overrides, as ``memory.batch_limit``: per profile why it cannot run there, or
    ``""`` if it can.
    """

    @property
    def digest(self) -> str:
        """The hash over the user's own code, 16 hex digits; ``""`` if there is none."""
        if not self.texts:
            return ""
        total = hashlib.blake2b(self.patch.encode(), digest_size=HASH_BYTES)
        for text in self.texts:
            total.update(f"\0{text.role}\0{text.hash}".encode())
        return total.hexdigest()


def code_of(settings: Settings, catalogue: Catalogue) -> Code:
    """Return the code of a campaign. Raises UsageError for a mistake in the user's."""
    patch = catalogue.patch(settings.patch)
    texts = [*texts_of("patch", patch)]
    for scenario in settings.scenarios:
        texts += texts_of("scenario", catalogue.scenario_file(scenario))
    for spec in settings.versus:
        texts += texts_of("versus", catalogue.patch((spec,)))
    return Code(
        version(),
        sources_hash(),
        patch.digest if patch is not None else "",
        tuple(texts),
        overrides_of(patch, settings, catalogue) if patch is not None else {},
    )


def digests_of(settings: Settings, catalogue: Catalogue) -> dict[str, str]:
    """Return the digest of each patch that the campaign executes, by its specs in lines, and of
    each scenario of the user's, by its path. Workers hold what they read against it.
    """
    patches = [specs for specs in (settings.patch, *settings.sides()) if specs]
    read = {"\n".join(specs): catalogue.patch(specs) for specs in patches}
    read |= {scenario: catalogue.scenario_file(scenario) for scenario in settings.scenarios}
    return {name: own.digest for name, own in read.items() if own is not None}


def texts_of(role: str, patch: Patch | None) -> list[Text]:
    """Return the files of a patch, those too that it imports of the user's own."""
    return [Text(role, file.path, file.text) for file in patch.files] if patch is not None else []


def keep_texts(directory: Path, texts: Iterable[Text]) -> None:
    """Write the user's files into a results directory, where commands that are printed name them.

    Raises UsageError if something else stands in their place, as a symbolic link that would lead
    out of the directory, and StorageError.
    """
    for text in texts:
        place, data = directory / kept(text.path), text.text.encode()
        for path in (*reversed(place.relative_to(directory).parents[:-1]), place.relative_to(directory)):
            if (directory / path).is_symlink():
                raise UsageError(f"{directory / path}: a symbolic link, and a campaign has not made it; remove it")
        with suppress(OSError):
            if read_plain(place, READ_MIB_MAX, links=False) == data:
                continue
        make_folder(place.parent)
        write_atomically(place, data)


def kept_with(directory: Path, name: str, text: str) -> str:
    """Return where, within a results directory, it keeps a file of the user's that has this name
    and this text; ``""`` if it keeps none.
    """
    for folder, _, names in sorted(os.walk(directory / KEPT)):
        with suppress(OSError):
            if name in names and read_plain(Path(folder, name), READ_MIB_MAX, links=False) == text.encode():
                return Path(folder, name).relative_to(directory).as_posix()
    return ""


def overrides_of(patch: Patch, settings: Settings, catalogue: Catalogue) -> dict[str, dict[str, str]]:
    """Return each override: per profile why it cannot run there, or ``""`` if it can."""
    model = catalogue.model()
    missing = {profile: absent(patch, model, (profile, settings.kernel)) for profile in settings.profiles}
    return {
        method: {profile: reasons.get(method, "") for profile, reasons in missing.items()} for method in patch.overrides
    }

"""What a worker of a cluster must have before it executes anything, and how it is told apart.

A parcel has the hash of zapstress itself, the texts of the user's files, each with its hash, and
the kernels that are worth compiling. It is sent once to whoever lacks it; orders name its digest.
A worker that runs another zapstress refuses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePath

import msgspec

from stress.campaign.code import HASH_BYTES, Code, Text
from stress.errors import UsageError
from stress.files import write_atomically
from stress.native.kernels import KernelKey
from stress.sources import tool_hash


class Refused(Exception):
    """A worker does not execute this; the message says why."""


class UserFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the user's own, as :class:`stress.campaign.code.Text` has it."""

    path: str
    hash: str
    text: str


class Parcel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes before the first order."""

    tool: str
    """The hash of zapstress (:func:`stress.sources.tool_hash`)."""
    catalogue: str
    code: dict[str, str]
    """The digests of the user's code (:func:`stress.campaign.code.digests_of`)."""
    files: list[UserFile]
    kernels: list[KernelKey] = []
    """To be compiled beside the executions."""

    @property
    def packed(self) -> bytes:
        """The parcel as it is sent."""
        return msgspec.msgpack.encode(self)


def digest_of(packed: bytes) -> str:
    """Return what orders name a parcel by."""
    return hashlib.blake2b(packed, digest_size=HASH_BYTES).hexdigest()


def parcel_of(code: Code, digests: dict[str, str], catalogue: str, kernels: Sequence[KernelKey]) -> Parcel:
    """Return the parcel of a campaign. Raises UsageError for a file that has no place elsewhere."""
    files = {text.path: UserFile(text.path, text.hash, text.text) for text in code.texts}
    for path in files:
        if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
            raise UsageError(f"--dask sends {path} to other machines; name it from the folder that you are in")
    return Parcel(tool_hash(), catalogue, digests, list(files.values()), list(kernels))


def opened(packed: bytes, digest: str) -> Parcel:
    """Return a parcel that was received. Raises Refused if it is damaged, or of another zapstress."""
    if digest_of(packed) != digest:
        raise Refused("what was sent has another hash than its order names")
    try:
        parcel = msgspec.msgpack.decode(packed, type=Parcel)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused(f"what was sent cannot be read ({error})") from error
    if parcel.tool != tool_hash():
        raise Refused(f"it runs another zapstress ({tool_hash()}, and here {parcel.tool}); install the same there")
    return parcel


def lay_out(parcel: Parcel, folder: Path) -> None:
    """Write the user's files below ``folder``, under the paths that the campaign has for them.

    Raises Refused if a text is not what its hash says, or would lie elsewhere.
    """
    for file in parcel.files:
        if Text("", file.path, file.text).hash != file.hash:
            raise Refused(f"{file.path} has another hash than the campaign's")
        if not (place := folder / file.path).resolve().is_relative_to(folder.resolve()):
            raise Refused(f"{file.path} would not lie in the folder of the campaign")
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, file.text.encode())

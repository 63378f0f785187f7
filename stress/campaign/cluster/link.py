"""The line to a scheduler of dask's: who works for it, and one order at a time to one of them.

dask's client lives on a loop of asyncio, which has a thread of its own here; everything else of the
supervisor is trio's. When the connection breaks the client forgets what it has asked for, so what
was asked comes to nothing here too: nobody waits for an answer that cannot come. A new connection
is a new *session*, for which workers begin afresh: what they had told may not have arrived.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, TypeVar

import msgspec
import trio

from stress.campaign.cluster.host import Declined, Reply, carry_out
from stress.errors import FAILED, NoScheduler, ZapstressError

CONNECT_SECONDS_MAX = 10.0
"""How long a scheduler may take to answer at first, and at each new attempt."""

GONE_SECONDS_MAX = 300.0
"""How long a scheduler may be gone before the campaign is ended."""

CLOSE_SECONDS_MAX = 5.0
"""How long a client may take to close; one that lost its scheduler may not come to an end."""

Result = TypeVar("Result")

_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class ClusterError(ZapstressError):
    """The cluster cannot be used any more."""

    exit_status = FAILED


class Link:
    """The line to the scheduler at ``address``, once it is open."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = ""
        self._client: Any = None
        self._broken = False
        """An order was lost with the connection, whatever the client says of itself by now."""
        self._asking: set[trio.CancelScope] = set()
        """Who waits for a reply of this session."""
        self._numbers = count()
        self._loop = asyncio.new_event_loop()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect; disconnect at the end. Raises UsageError if nobody answers."""
        be_silent()
        self._loop.set_exception_handler(lambda *_: None)
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            try:
                await self._connect()
            except (OSError, ValueError) as error:
                raise NoScheduler(f"--dask {self.address}: no scheduler answers there ({error})") from error
            yield
        finally:
            with trio.CancelScope(shield=True):
                await self._disconnect()
                await self._on_loop(cancel_others())
                self._loop.call_soon_threadsafe(self._loop.stop)
                await trio.to_thread.run_sync(thread.join)
                self._loop.close()

    async def members(self) -> dict[str, int] | None:
        """Return the workers that there are, by address, with their numbers of threads; None if the
        scheduler cannot be asked. A broken connection is made anew here.
        """
        if self._client is None or self._client.status != "running" or self._broken:
            await self._disconnect()
            try:
                await self._connect()
            except OSError:
                return None
        found: dict[str, int] | None = None
        with suppress(OSError), trio.move_on_after(CONNECT_SECONDS_MAX):
            found = await self._on_loop(self._ask_members(self._client))
        self._broken |= found is None
        return found

    async def ask(self, address: str, digest: str, order: bytes, parcel: bytes = b"") -> Reply | None:
        """Have the worker at ``address`` carry out an order; None if that has come to nothing."""
        if self._client is None:
            return None
        session, key = self.session, f"zapstress-{self.session}-{next(self._numbers)}"
        reply: Reply | None = None
        with trio.CancelScope() as scope:
            self._asking.add(scope)
            try:
                with suppress(ConnectionError):
                    reply = await self._on_loop(
                        self._submit(self._client, address, key, (session, digest, order, parcel))
                    )
            finally:
                self._asking.discard(scope)
        self._broken |= reply is None and session == self.session
        return reply

    # -- on the loop -----------------------------------------------------------------------------------------------

    @staticmethod
    async def _ask_members(client: Any) -> dict[str, int]:
        return dict(await client.scheduler.ncores())

    @staticmethod
    async def _submit(client: Any, address: str, key: str, arguments: tuple[Any, ...]) -> Reply | None:
        """Run ``carry_out`` at ``address`` and nowhere else; return its reply.

        What the worker raises is its own mistake, or it has no zapstress, or another one.
        """
        from distributed import CancelledError

        future = client.submit(
            carry_out, *arguments, key=key, workers=[address], allow_other_workers=False, retries=0, pure=False
        )
        try:
            return _replies.decode(await future)
        except (CancelledError, OSError):
            return None
        except (msgspec.MsgspecError, ValueError) as error:
            return Declined(f"its reply cannot be read ({error})")
        except Exception as error:  # noqa: BLE001 - of the worker's; it is not used any more
            return Declined(repr(error))
        finally:
            with suppress(Exception):
                future.release()

    # -- the connection --------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect to the scheduler, as a new session. Raises OSError."""
        with trio.move_on_after(CONNECT_SECONDS_MAX):
            self._client = await self._on_loop(self._new_client())
        if self._client is None:
            raise TimeoutError(f"no answer in {CONNECT_SECONDS_MAX:.0f} s")
        self.session, self._broken = secrets.token_hex(8), False

    async def _new_client(self) -> Any:
        from distributed import Client

        made: Any = Client
        client = made(self.address, asynchronous=True, set_as_default=False, timeout=CONNECT_SECONDS_MAX)
        try:
            return await client
        except BaseException:
            client.status = "closed"  # else it tries to close itself when it is collected, without a loop
            raise

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        for scope in self._asking:
            scope.cancel()
        if client is not None:
            with suppress(OSError), trio.move_on_after(CLOSE_SECONDS_MAX):
                await self._on_loop(client._close(fast=True))

    async def _on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Have a coroutine run on the loop, cancelled with the caller; return what it returns.

        Raises ConnectionError if the loop has ended it, as it does with all when the campaign ends.
        """
        token, done = trio.lowlevel.current_trio_token(), trio.Event()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)

        def tell(_: object) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        future.add_done_callback(tell)
        try:
            await done.wait()
        finally:
            future.cancel()
        await trio.lowlevel.checkpoint_if_cancelled()
        if future.cancelled():
            raise ConnectionAbortedError("the connection was given up")
        return future.result()


def be_silent() -> None:
    """Keep dask from writing to standard error: what it has to say is said here."""
    import distributed  # noqa: F401 - it gives its loggers their levels

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)


async def cancel_others() -> None:
    """Cancel everything else that is on the loop, and wait for its end."""
    mine = asyncio.current_task()
    others = [task for task in sorted(asyncio.all_tasks(), key=id) if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.wait(others, timeout=CLOSE_SECONDS_MAX) if others else None

"""A real cluster of dask's on this machine: a scheduler, workers that can be killed, and between
them a line with the delays and the breaks of a network.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType

from stress.sources import child

BEGIN_SECONDS_MAX = 60.0


class Line:
    """Forwards connections on the loopback to ``port``: every piece is ``delay_s`` late, and one in
    so many, ``stall_every``, by RETRANSMISSION_SECONDS more, as one is that was lost on its way.
    """

    RETRANSMISSION_SECONDS = 0.2

    def __init__(self, port: int, delay_s: float = 0.0, stall_every: int = 0) -> None:
        self.target, self.delay_s, self.stall_every = port, delay_s, stall_every
        self.cuts = 0
        self._random = Random(1)
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._meet, "127.0.0.1", 0), self._loop).result()
        self.address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def cut(self) -> int:
        """Break all connections that are open; return how many there were."""
        self.cuts += 1
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _cut(self) -> int:
        found = list(self._open)
        for writer in found:
            writer.transport.abort()
        return len(found)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._open |= {writer, back}
            await asyncio.gather(self._forward(reader, back), self._forward(there, writer))
            self._open -= {writer, back}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction, in order, without waiting for what is on its way."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def receive() -> None:
            data = b"-"
            while data:
                data = b""
                with suppress(OSError):
                    data = await reader.read(1 << 16)
                stalls = self.stall_every and not self._random.randrange(self.stall_every)
                late = self.delay_s + (self.RETRANSMISSION_SECONDS if stalls else 0.0)
                due.put_nowait((self._loop.time() + late, data))

        receiving = asyncio.create_task(receive())
        with suppress(OSError):
            while (item := await due.get())[1]:
                await asyncio.sleep(max(0.0, item[0] - self._loop.time()))
                writer.write(item[1])
                await writer.drain()
        writer.close()
        await receiving


class Cluster:
    """A scheduler and ``workers`` workers of one thread each, which reach it over a :class:`Line`.
    Use it as a context manager.
    """

    def __init__(self, folder: Path, workers: int, delay_s: float = 0.0, stall_every: int = 0) -> None:
        self.folder, self.first, self.delay_s, self.stall_every = folder, workers, delay_s, stall_every
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        file = self.folder / "scheduler.json"
        self.scheduler = self._process(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
        )
        waits(file.exists)
        waits(lambda: bool(file.read_text()))
        port = int(json.loads(file.read_text())["address"].rpartition(":")[2])
        self.line = Line(port, self.delay_s, self.stall_every)
        for _ in range(self.first):
            self.join()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def join(self) -> subprocess.Popen[bytes]:
        """Have one worker more."""
        options = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(self.folder))
        self.workers.append(self._process("distributed.cli.dask_worker", self.line.address, *options))
        return self.workers[-1]

    def kill(self, number: int = 0) -> None:
        """End a worker as the kernel does when there is no memory left."""
        self.workers.pop(number).send_signal(signal.SIGKILL)

    def _process(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command, environment = child(module, *arguments, "--no-dashboard")
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def waits(ready: Callable[[], bool]) -> None:
    """Wait until ``ready()``. Raises TimeoutError after BEGIN_SECONDS_MAX."""
    end = time.monotonic() + BEGIN_SECONDS_MAX
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("the cluster does not begin")
        time.sleep(0.05)

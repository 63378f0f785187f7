"""The zygote: the process that forks the members of a gang.

It has imported the model and compiled the native steps, so that a new member is ready in
milliseconds. The supervisor starts it as ``python -m stress.parallel.zygote``. It runs no trio and
holds no state. When the supervisor's socket closes, whatever closed it, the zygote kills its
members and ends. If the zygote itself dies, Linux kills the members.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from stress.parallel.board import Board

PR_SET_PDEATHSIG = 1


class Zygote:
    """The loop: it takes orders to fork from the supervisor, and tells it of members that die."""

    def __init__(self, control: socket.socket, spec: str) -> None:
        self.control, self.spec = control, spec
        self.children: dict[int, int] = {}
        self.wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Fork members, and tell of their deaths, until the supervisor is gone."""
        self.say({"is": "ready"})
        while True:
            ready, _, _ = select.select([self.control.fileno(), self.wake], [], [])
            if self.wake in ready:
                os.read(self.wake, 4096)
                self.bury()
            if self.control.fileno() in ready and not self.order():
                return

    def say(self, answer: dict[str, object]) -> None:
        """Tell the supervisor, if it is still there."""
        try:
            self.control.send(json.dumps(answer).encode())
        except OSError:
            return

    def order(self) -> bool:
        """Fork a member over the two descriptors that came along; False if the supervisor is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, 4096, 2)
        except ConnectionError:
            return False
        if not data:
            return False
        order = json.loads(data)
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            self.be_member(order, descriptors, parent)
        for descriptor in descriptors:
            os.close(descriptor)
        self.children[pid] = order["process"]
        self.say({"is": "forked", "process": order["process"], "pid": pid})
        return True

    def be_member(self, order: dict[str, int], descriptors: list[int], parent: int) -> None:
        """Be the forked child: run until the socket closes. It never returns."""
        status = 1
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                self.control.close()
                from stress.parallel import member

                orders = socket.socket(fileno=descriptors[0])
                member.main(orders, Board(descriptors[1]), order["process"], order["processes"], self.spec)
                status = 0
        except BaseException:  # noqa: BLE001 - a child must not return into the parent's loop
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def bury(self) -> None:
        """Tell the supervisor of the children that have died."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self.say(
                {
                    "is": "died",
                    "process": self.children.pop(pid),
                    "pid": pid,
                    "status": os.waitstatus_to_exitcode(status),
                }
            )

    def end(self) -> None:
        """Kill what is left."""
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)


def main(argv: list[str] | None = None) -> int:
    """Be the zygote of a gang. Not for people: the descriptor is one that the supervisor has made."""
    parser = argparse.ArgumentParser(prog="python -m stress.parallel.zygote")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--catalogue", required=True)
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    zygote = Zygote(socket.socket(fileno=args.control), args.catalogue)
    try:
        importlib.import_module("stress.parallel.member")
    except ImportError as error:
        zygote.say({"is": "missing", "why": str(error).splitlines()[0]})
        return 0
    gc.freeze()
    try:
        zygote.serve()
    finally:
        zygote.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())

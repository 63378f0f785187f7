"""Show the page of a campaign live, to browsers and to Prometheus, also of one that is at work."""

from __future__ import annotations

import argparse
import secrets
import socket
from functools import partial
from typing import TYPE_CHECKING

from stress.cli.options import directory, kernel_options, port, scenario_file_option
from stress.errors import CLEAN, Skipped
from stress.output import put, put_json, tell

if TYPE_CHECKING:
    from stress.campaign.serve.server import PageServer

PORT = 8718
"""Where the page is by default, so that one that is open finds a server that was started again."""

HOST = "127.0.0.1"

TOKEN_BYTES = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("dir", type=directory, metavar="DIR", help="the results directory of a campaign")
    about = "listen there; where others reach it, a token is made, and is part of the address that is printed"
    add("--host", default=HOST, metavar="ADDRESS", help=f"{about} (default: %(default)s)")
    add("--port", type=port, default=PORT, metavar="N", help="0 is any that is free (default: %(default)s)")
    kernel_options(parser, "", "of the pages of failures: another version in place of their own")
    scenario_file_option(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; the directory is only read."""
    from stress.campaign.results import Results
    from stress.campaign.serve.request import Door
    from stress.campaign.serve.server import PageServer, address_of, is_loopback, listen
    from stress.campaign.serve.traces import TracePages

    require_pages()
    Results.open(args.dir).close()
    with listen(args.host, args.port) as listening:
        token = "" if is_loopback(listening) else secrets.token_urlsafe(TOKEN_BYTES)
        address = address_of(listening, args.host, token)
        server = PageServer(args.dir, Door(args.host, token), TracePages(args.dir, code_words(args)))
        if args.json:
            put_json({"dir": str(args.dir), "address": address, "token": token})
        else:
            put(address)
        serve(server, listening)
    return CLEAN


def require_pages() -> None:
    """Raise Skipped if jinja2 is not installed."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise Skipped(f"pages want the package jinja2 ({error}): pip install 'zapstress[pages]'") from error


def code_words(args: argparse.Namespace) -> list[str]:
    """Return the options of ``zapstress report`` by which the pages of failures are made."""
    words = ["--kernel", args.kernel] if args.kernel else []
    words += [word for spec in args.patch for word in ("--patch", spec)]
    return words + (["--scenario", args.scenario] if args.scenario else [])


def serve(server: PageServer, listening: socket.socket) -> None:
    """Serve until the first signal."""
    import trio

    from stress.workers.signals import heard

    async def until_signalled() -> None:
        with trio.open_signal_receiver(*heard()) as received:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(server.serve, listening))
                await anext(aiter(received))
                nursery.cancel_scope.cancel()
        tell("ended")

    trio.run(until_signalled)

"""Sessions: commands from the command line, one after the other, or from a terminal or a file."""

from __future__ import annotations

import cmd
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stress.errors import UsageError, ZapstressError
from stress.output import complain, put
from stress.trace.shell.commands import Commands, Quit

if TYPE_CHECKING:
    from stress.trace.shell.film import Film

PROMPT = "(zapstress) "


def answers(film: Film, lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return each command with what it says, up to the first that ends the session.

    Raises UsageError for a command that cannot be carried out.
    """
    commands, said = Commands(film), []
    with suppress(Quit):
        for line in lines:
            try:
                said.append({"command": line, "output": commands.run(line)})
            except UsageError as error:
                raise UsageError(f"--command '{line}': {error}") from error
    return said


def transcript(said: Iterable[dict[str, Any]]) -> str:
    """Return commands and what they say as they look in a terminal."""
    return "\n".join("\n".join((f"{PROMPT}{one['command']}", *one["output"])) for one in said)


class Prompt(cmd.Cmd):
    """Reads commands from standard input, with completion where the terminal has readline."""

    prompt = PROMPT

    def __init__(self, film: Film) -> None:
        super().__init__()
        self.commands = Commands(film)

    def preloop(self) -> None:
        """Have the completion take ``reverse-step`` for one word."""
        with suppress(ImportError):
            import readline

            readline.set_completer_delims(" \t\n[]=<>!")

    def onecmd(self, line: str) -> bool:
        """Carry out a command; return whether the session is over. An empty line repeats the last."""
        if line == "EOF":
            put("")
            return True
        if line.strip():
            self.lastcmd = line
        elif not self.lastcmd:
            return False
        try:
            put("\n".join(self.commands.run(self.lastcmd)))
        except Quit:
            return True
        except ZapstressError as error:
            complain(str(error))
        return False

    def completenames(self, text: str, *ignored: Any) -> list[str]:
        return self.commands.completions(text)

    def completedefault(self, *ignored: Any) -> list[str]:
        _, line, _, end = ignored
        return self.commands.completions(line[:end])

    complete_help = completedefault


def converse(film: Film) -> None:
    """Carry out commands as they come, until standard input ends."""
    prompt = Prompt(film)
    put(prompt.commands.here())
    while True:
        try:
            return prompt.cmdloop()
        except KeyboardInterrupt:
            put("\ninterrupted; quit, or Ctrl-D, leaves")

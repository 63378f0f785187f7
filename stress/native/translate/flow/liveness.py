"""Which words of a coroutine's frame are still read after each place where it can stand.

A word that is written before it is read again, on every way from there, is *dead*: frames that
differ in nothing else go on alike, so that it is no part of a state's name. This is the usual
backward analysis of live variables over the control flow of the C that a function became; a word of
which the analysis understands no assignment is live for good. A list behind the frame whose address
goes anywhere is *lent*: others may change it, and it is always part of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_PLACE = re.compile(r"(?:STAND|CALL)\((\d+),")
_WORD = re.compile(r"F->(\w+)\b")
_SET = re.compile(r"F->(\w+) = ")
_FILLED = re.compile(r"list_(?:copy|cells|fill|slice)\((LIST\(\d+, \d+\)),")
_LABEL = re.compile(r"(\w+):;")
_TOKEN = re.compile(r"\s*(?:(if|while|for|else)\b|([{}]))")


@dataclass
class Node:
    """A statement, or what a branch asks, and what can come next."""

    text: str
    next: list[Node] = field(default_factory=list)
    live: frozenset[str] = frozenset()
    """What is read from here on."""

    @property
    def after(self) -> frozenset[str]:
        """What is read from what can come next on."""
        return frozenset[str]().union(*(node.live for node in self.next))


def _text(lines: Iterable[str]) -> str:
    return " ".join(line for line in lines if not line.startswith("//"))


def lent_by(lines: Iterable[str], rooms: Sequence[str]) -> list[str]:
    """Return which of a coroutine's lists, written ``LIST(h, c)``, it gives the address of away."""
    text = _text(lines)
    return [room for room in rooms if f"(i64){room}" in text]


def live_at(lines: Iterable[str], rooms: Sequence[str]) -> dict[int, frozenset[str]]:
    """Return what is live at each place of a coroutine: names of words, and those of its lists,
    written ``LIST(h, c)``, that are in ``rooms``; of lent ones it says nothing.
    """
    text = _text(lines)
    assert "&F->" not in text, "the address of a frame's word"
    graph = _Graph(text)
    uses = [_uses(node.text, rooms) for node in graph.nodes]
    changed = True
    while changed:
        changed = False
        for node, (read, written) in zip(graph.nodes, uses, strict=True):
            live = read | (node.after - written)
            changed |= live != node.live
            node.live = live
    places = ((node, _PLACE.match(node.text)) for node in graph.nodes)
    return {int(found[1]): node.after for node, found in places if found}


def _uses(text: str, rooms: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a statement reads, and what it writes without having read it."""
    written = set[str]()
    found = _SET.match(text) or _FILLED.match(text)
    if found:
        written.add(found[1])
        text = text[found.end() :]
    for room in rooms:
        if text.startswith(f"{room}[0] = "):
            written.add(room)
            text = text[len(room) :]
    return frozenset(_WORD.findall(text)) | {room for room in rooms if room in text}, frozenset(written)


class _Graph:
    """The control flow of a body, read from its text; nodes stand behind those that follow them."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.nodes: list[Node] = []
        self.labels: dict[str, Node] = {}
        end = self._node("")
        self._flow(list(self._statements()), end, end)

    def _node(self, text: str, *following: Node) -> Node:
        self.nodes.append(Node(text, list(following)))
        return self.nodes[-1]

    # -- reading ---------------------------------------------------------------------------------------------------

    def _statements(self) -> Iterator[list[object]]:
        """Yield statements up to the end of the block."""
        while self.text[self.at :].strip():
            token = _TOKEN.match(self.text, self.at)
            if token and token[2] == "}":
                self.at = token.end()
                return
            yield self._statement()

    def _statement(self) -> list[object]:
        token = _TOKEN.match(self.text, self.at)
        if token is None:
            return ["plain", self._until(";")]
        self.at = token.end()
        if token[2]:
            return ["block", list(self._statements())]
        asked = self._until(")")
        if token[1] != "if":
            return [token[1], asked, self._statement()]
        yes, no = self._statement(), None
        other = _TOKEN.match(self.text, self.at)
        if other and other[1] == "else":
            self.at = other.end()
            no = self._statement()
        return ["if", asked, yes, no]

    def _until(self, last: str) -> str:
        """Take the text up to ``last`` outside of parentheses, or the one that closes the first."""
        depth, begin = 0, self.at
        while True:
            c = self.text[self.at]
            self.at += 1
            depth += (c == "(") - (c == ")")
            if c == last and depth == 0:
                return self.text[begin : self.at].strip()

    # -- linking ---------------------------------------------------------------------------------------------------

    def _flow(self, statements: list[list[object]], following: Node, out: Node) -> Node:
        """Link statements, which ``following`` follows; return the first one's node."""
        for statement in reversed(statements):
            following = self._link(statement, following, out)
        return following

    def _link(self, statement: list[object], following: Node, out: Node) -> Node:
        kind, what, *parts = statement
        if kind == "block":
            return self._flow(what, following, out)  # type: ignore[arg-type]
        text = str(what)
        if kind == "plain":
            return self._plain(text, following, out)
        if kind == "if":
            sides = [self._link(part, following, out) if part else following for part in parts]  # type: ignore[arg-type]
            return self._node(text, *sides)
        first, asked, step = text[1:-1].split(";") if kind == "for" else ("", text, "")
        head = self._node(asked, following)
        head.next.append(self._link(parts[0], self._node(step.strip(), head), following))  # type: ignore[arg-type]
        return self._node(first.strip(), head)

    def _plain(self, text: str, following: Node, out: Node) -> Node:
        label = _LABEL.fullmatch(text)
        if label:
            node = self._labelled(label[1])
            node.next.append(following)
            return node
        if text.startswith("goto "):
            return self._labelled(text[5:-1])
        if text == "break;":
            return out
        return self._node(text) if text == "return 1;" else self._node(text, following)

    def _labelled(self, name: str) -> Node:
        if name not in self.labels:
            self.labels[name] = self._node("")
        return self.labels[name]

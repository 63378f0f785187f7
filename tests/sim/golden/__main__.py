"""Writes the orders of steps anew: ``python -m tests.sim.golden``. Read the difference, by eye,
before it is committed.
"""

from __future__ import annotations

import trio

from tests.sim.golden.orders import file_of, texts


async def main() -> None:
    """Write a file per profile."""
    for profile, text in (await texts()).items():
        file_of(profile).write_text(text)
        print(file_of(profile).name)


if __name__ == "__main__":
    trio.run(main)

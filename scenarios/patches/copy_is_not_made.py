"""A copy on write maps a fresh page without the old one's content.

wp_page_copy() (mm/memory.c, 6.9) calls __wp_page_copy_user() whenever there was a page to copy;
here only the zero page's copy, for which a zeroed page will do, is right.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "sequence"


class CopyIsNotMade(PageFault):
    component = "page_fault"

    async def copy_user_page(self, copy: int, page: int) -> None:
        """The page comes zeroed from the allocator."""

"""What a file system does with a file's size and blocks around the calls of mm/truncate.c, as ext4
and shmem do it: ftruncate(), fallocate() to punch a hole, and writes with O_DIRECT (fs/open.c,
fs/ext4/inode.c, mm/shmem.c, mm/filemap.c; v6.9).

``inode_lock`` is i_rwsem: truncation and hole punching hold it for writing, a direct write for
reading, as it extends no file. Both also hold ``invalidate_lock`` for writing while pages go, which
keeps out faults that would read them in again from blocks that are about to be freed. Lock order:
inode lock, invalidate_lock, folio lock. Left out: journals, blocks other than the pages of
``disk``: what the disk has no version of is a hole.
"""

from __future__ import annotations

from sim.core.arena import RWSEM, Cells, Column, Field
from sim.core.component import Component
from sim.core.machine import site

LOCK = site("do_truncate", "lock inode")
SIZE = site("do_truncate", "read i_size")
INVALIDATE_LOCK = site("do_truncate", "lock invalidate_lock")
SET_SIZE = site("truncate_setsize", "set i_size")
INVALIDATE_UNLOCK = site("do_truncate", "unlock invalidate_lock")
UNLOCK = site("do_truncate", "unlock inode")
ZERO_LOCK = site("block_truncate_page", "lock folio")
ZERO_DIRTY = site("block_truncate_page", "read PG_dirty")
HOLE = site("block_truncate_page", "look whether there is a block")
PUNCH_LOCK = site("vfs_fallocate", "lock inode")
PUNCH_INVALIDATE_LOCK = site("vfs_fallocate", "lock invalidate_lock")
PUNCH_INVALIDATE_UNLOCK = site("vfs_fallocate", "unlock invalidate_lock")
PUNCH_UNLOCK = site("vfs_fallocate", "unlock inode")
FREE_BLOCK = site("free_blocks", "forget what the disk has")
DIRECT_LOCK = site("generic_file_direct_write", "lock inode for reading")
DIRECT_SIZE = site("generic_file_direct_write", "read i_size")
DIRECT_READ = site("generic_file_direct_write", "read the data")
DIRECT_WRITE = site("generic_file_direct_write", "write to disk")
DIRECT_UNLOCK = site("generic_file_direct_write", "unlock inode")


class Filesystem(Component):
    """Changes of a file that go by the page cache."""

    name = "filesystem"

    inode_lock: Column
    invalidate_lock: Column
    i_size: Column
    disk: Column
    file_shmem: Cells
    page_locked: Column
    page_dirty: Column

    def fields(self) -> list[Field]:
        return [Field("inode_lock", self.w.files, lock=RWSEM)]

    async def do_truncate(self, cpu: int, file: int, size: int) -> None:
        """Let the file end at byte ``size``: first say so, then drop what lies behind
        (ext4_setattr, truncate_setsize).
        """
        await self.m.down_write(LOCK, self.inode_lock, file)
        old = await self.m.load(SIZE, self.i_size, file)
        await self.m.down_write(INVALIDATE_LOCK, self.invalidate_lock, file)
        await self.truncate_setsize(cpu, file, size)
        first, end = -(-size // self.g.page_size), -(-old // self.g.page_size)
        await self.free_blocks(file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        if size < old and size % self.g.page_size:
            await self.zero_behind(cpu, file, size // self.g.page_size)
        await self.m.up_write(INVALIDATE_UNLOCK, self.invalidate_lock, file)
        self.k.checks.truncated(file)
        await self.m.up_write(UNLOCK, self.inode_lock, file)

    async def truncate_setsize(self, cpu: int, file: int, size: int) -> None:
        """Let i_size say where the file ends, then drop what the cache has behind (mm/truncate.c)."""
        await self.m.store(SET_SIZE, self.i_size, file, size)
        await self.k.truncate.truncate_pagecache(cpu, file, size)

    async def punch_hole(self, cpu: int, file: int, first: int, end: int) -> None:
        """Drop pages [first, end) of a file, whose size stays (FALLOC_FL_PUNCH_HOLE)."""
        await self.m.down_write(PUNCH_LOCK, self.inode_lock, file)
        await self.m.down_write(PUNCH_INVALIDATE_LOCK, self.invalidate_lock, file)
        self.k.checks.punching(cpu, first, end)
        await self.k.truncate.truncate_pagecache_range(cpu, file, first, end)
        await self.free_blocks(file, first, end)
        self.k.checks.hole_made(cpu, file, first, end)
        await self.m.up_write(PUNCH_INVALIDATE_UNLOCK, self.invalidate_lock, file)
        await self.m.up_write(PUNCH_UNLOCK, self.inode_lock, file)

    async def zero_behind(self, cpu: int, file: int, index: int) -> None:
        """Zero the page at ``index`` behind the end of the file, which makes it dirty; a page that
        is not cached is read first. A hole is left alone (ext4_block_truncate_page,
        shmem_get_partial_folio).
        """
        folio, slot = await self.k.filemap.get_folio(cpu, file, index), self.k.filemap.slot(file, index)
        if folio < 0 and not self.file_shmem[file] and await self.m.load(HOLE, self.disk, slot):
            folio = await self.k.filemap.filemap_add_folio(cpu, file, index, 0)
            await self.k.filemap.filemap_read_folio(file, folio)
            await self.k.filemap.unlock_folio(folio)
        if folio < 0:
            return
        await self.m.lock(ZERO_LOCK, self.page_locked, folio)
        block = self.file_shmem[file] or await self.m.load(ZERO_DIRTY, self.page_dirty, folio)
        if self.k.filemap.in_cache(file, folio) and (block or await self.m.load(HOLE, self.disk, slot)):
            await self.k.page_writeback.folio_mark_dirty(folio)
        await self.k.filemap.unlock_folio(folio)
        await self.k.swap.folio_put(cpu, folio)

    async def free_blocks(self, file: int, first: int, end: int) -> None:
        """Free the blocks of pages [first, end): from now on they read as zeroes."""
        for index in range(first, end):
            await self.m.store(FREE_BLOCK, self.disk, self.k.filemap.slot(file, index), 0)
            self.k.checks.block_freed(file, index, first, end)

    async def direct_write(self, cpu: int, file: int, first: int, nr: int) -> None:
        """Write ``nr`` pages with O_DIRECT, as far as the file reaches: what the disk has, over
        itself (generic_file_direct_write, iomap_dio_rw).

        The cache is written out and invalidated before, and invalidated after, as faults may have
        read the old data meanwhile. If a page cannot be invalidated, nothing is written here: the
        kernel falls back to a buffered write.
        """
        await self.m.down_read(DIRECT_LOCK, self.inode_lock, file)
        end = min(first + nr, await self.m.load(DIRECT_SIZE, self.i_size, file) // self.g.page_size)
        for index in range(first, end):
            await self.k.page_writeback.write_folio(cpu, file, index)
        if not await self.k.truncate.invalidate_inode_pages2_range(cpu, file, first, end):
            for index in range(first, end):
                version = await self.m.load(DIRECT_READ, self.disk, self.k.filemap.slot(file, index))
                await self.m.store(DIRECT_WRITE, self.disk, self.k.filemap.slot(file, index), version)
            await self.k.truncate.invalidate_inode_pages2_range(cpu, file, first, end)
        await self.m.up_read(DIRECT_UNLOCK, self.inode_lock, file)

"""The machine code of the agents, the real processes of a conformance run, as a listing: bytes,
then what they mean (x86-64).

A process that runs an interpreter has some hundred mappings of its own, and a heap that grows while
it is watched. An *agent* has two mappings, neither of them private. Every anonymous page of an
agent is therefore the program's. It forks in a tenth of the time, and starts a call within
nanoseconds of the other agents. It has no libc, and knows no memory but its *slot*:

    +0x00     number of calls to make
    +0x08     number of the slot
    +0x10     descriptor that orders come from
    +0x18     descriptor that reports go to
    +0x30     the order just read
    +0x40     the calls, eight words each: what, six arguments, result
    +0x2000   addresses for ``gather``, each replaced by the word found there
    +0x10000  end of the slot: the stack of signal handlers grows down from here

An order is one byte; a report is the slot's number. A call below 0x1000 is the system call of that
number. At end of file the agent exits: it does not outlive the process that holds the other end of
the pipe. A segmentation fault gives the call the result -1.

tests/conformance/test_agents.py assembles the text again, where there is an assembler, and compares
the bytes.
"""

from __future__ import annotations

LISTING = """
                                  entry:
b8 09 00 00 00                    mov eax,0x9
48 bf 00 00 10 00 00 02 00 00     movabs rdi,0x20000100000
48 8b 35 42 01 00 00              mov rsi,qword [rip + size]
ba 03 00 00 00                    mov edx,0x3
41 ba 11 00 00 00                 mov r10d,0x11
4c 8b 05 38 01 00 00              mov r8,qword [rip + mailbox]
45 31 c9                          xor r9d,r9d
0f 05                             syscall
48 89 c3                          mov rbx,rax
48 8d a3 00 00 01 00              lea rsp,[rbx+0x10000]
                                  main:
31 c0                             xor eax,eax
8b 7b 10                          mov edi,dword [rbx+0x10]
48 8d 73 30                       lea rsi,[rbx+0x30]
ba 01 00 00 00                    mov edx,0x1
0f 05                             syscall
48 83 f8 01                       cmp rax,0x1
74 0f                             je go
48 83 f8 fc                       cmp rax,0xfffffffffffffffc
74 e4                             je main
b8 e7 00 00 00                    mov eax,0xe7
31 ff                             xor edi,edi
0f 05                             syscall
                                  go:
48 8d 6b 40                       lea rbp,[rbx+0x40]
4c 8b 3b                          mov r15,qword [rbx]
                                  next:
4d 85 ff                          test r15,r15
74 32                             je report
48 8b 45 00                       mov rax,qword [rbp+0x0]
48 8b 7d 08                       mov rdi,qword [rbp+0x8]
48 8b 75 10                       mov rsi,qword [rbp+0x10]
48 8b 55 18                       mov rdx,qword [rbp+0x18]
4c 8b 55 20                       mov r10,qword [rbp+0x20]
4c 8b 45 28                       mov r8,qword [rbp+0x28]
4c 8b 4d 30                       mov r9,qword [rbp+0x30]
3d 00 10 00 00                    cmp eax,0x1000
73 24                             jae special
0f 05                             syscall
                                  done:
48 89 45 38                       mov qword [rbp+0x38],rax
48 83 c5 40                       add rbp,0x40
49 ff cf                          dec r15
eb c9                             jmp next
                                  report:
b8 01 00 00 00                    mov eax,0x1
8b 7b 18                          mov edi,dword [rbx+0x18]
48 8d 73 08                       lea rsi,[rbx+0x8]
ba 08 00 00 00                    mov edx,0x8
0f 05                             syscall
eb 88                             jmp main
                                  special:
74 2e                             je load
3d 01 10 00 00                    cmp eax,0x1001
74 2c                             je store
3d 02 10 00 00                    cmp eax,0x1002
74 2c                             je gather
3d 03 10 00 00                    cmp eax,0x1003
74 43                             je fork
                                  barrier:
f0 48 ff 0f                       lock dec qword [rdi]
b9 00 00 20 00                    mov ecx,0x200000
                                  spin:
48 83 3f 00                       cmp qword [rdi],0x0
7e 06                             jle over
f3 90                             pause
ff c9                             dec ecx
75 f4                             jne spin
                                  over:
89 c8                             mov eax,ecx
eb ae                             jmp done
                                  load:
48 8b 07                          mov rax,qword [rdi]
eb a9                             jmp done
                                  store:
48 89 37                          mov qword [rdi],rsi
31 c0                             xor eax,eax
eb a2                             jmp done
                                  gather:
48 8d b3 00 20 00 00              lea rsi,[rbx+0x2000]
                                  more:
48 85 ff                          test rdi,rdi
74 96                             je done
48 8b 06                          mov rax,qword [rsi]
48 8b 00                          mov rax,qword [rax]
48 89 06                          mov qword [rsi],rax
48 83 c6 08                       add rsi,0x8
48 ff cf                          dec rdi
eb e9                             jmp more
                                  fork:
49 89 f6                          mov r14,rsi
49 8d b6 00 00 01 00              lea rsi,[r14+0x10000]
31 d2                             xor edx,edx
45 31 d2                          xor r10d,r10d
45 31 c0                          xor r8d,r8d
b8 38 00 00 00                    mov eax,0x38
0f 05                             syscall
48 85 c0                          test rax,rax
0f 85 62 ff ff ff                 jne done
4c 89 f3                          mov rbx,r14
e9 29 ff ff ff                    jmp go
                                  faulted:
48 c7 c0 ff ff ff ff              mov rax,0xffffffffffffffff
e9 4e ff ff ff                    jmp done
                                  handler:
48 8d 05 ed ff ff ff              lea rax,[rip + faulted]
48 89 82 a8 00 00 00              mov qword [rdx+0xa8],rax
c3                                ret
                                  restorer:
b8 0f 00 00 00                    mov eax,0xf
0f 05                             syscall
0f 1f 00                          nop dword [rax]
"""
"""One instruction a line; ``size`` and ``mailbox`` are two words that follow the code."""

COLUMN = 34
"""Where the text of an instruction begins."""


def code(size: int, mailbox: int) -> bytes:
    """Return the code, for a mailbox of ``size`` bytes behind descriptor ``mailbox``."""
    text = bytes.fromhex("".join(line[:COLUMN] for line in LISTING.splitlines()))
    return text + size.to_bytes(8, "little") + mailbox.to_bytes(8, "little")


def labels() -> dict[str, int]:
    """Return the offset of each label."""
    found, at = {}, 0
    for line in LISTING.splitlines():
        if line.endswith(":"):
            found[line.strip().removesuffix(":")] = at
        at += len(bytes.fromhex(line[:COLUMN]))
    return found

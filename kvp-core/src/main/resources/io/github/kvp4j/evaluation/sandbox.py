# Copyright 2026 The KVP4J authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Runs one program with what it may do cut down by the Linux kernel.

Arguments: seconds of processor time, bytes of memory. Input: a line with a word, then the program.
The word is printed once the program has run to its end without an exception, and nothing else is:
that is how the caller knows. A program that forks, starts another, opens a pipe, a socket, or a file
for writing is killed; whatever else is not on the list below fails with EPERM.
"""

import ctypes
import os
import resource
import struct
import sys

# Names and numbers: x86-64, then AArch64 (None where it has no such call).
ALLOWED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67),
    "readv": (19, 65), "writev": (20, 66), "access": (21, None), "select": (23, None),
    "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233), "dup": (32, 23),
    "nanosleep": (35, 101), "getpid": (39, 172), "exit": (60, 93), "uname": (63, 160),
    "fcntl": (72, 25), "getcwd": (79, 17), "readlink": (89, None), "gettimeofday": (96, 169),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "sigaltstack": (131, 132), "arch_prctl": (158, None), "gettid": (186, 178),
    "time": (201, None), "futex": (202, 98), "sched_getaffinity": (204, 123),
    "getdents64": (217, 61), "set_tid_address": (218, 96), "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "newfstatat": (262, 79), "readlinkat": (267, 78),
    "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "getrandom": (318, 278), "statx": (332, 291),
    "rseq": (334, 293), "faccessat2": (439, 439),
}
KILLED = {
    "socket": (41, 198), "socketpair": (53, 199), "clone": (56, 220), "fork": (57, None),
    "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "clone3": (435, 435),
    "pipe": (22, None), "pipe2": (293, 59), "creat": (85, None), "io_uring_setup": (425, 425),
}
# Names, numbers, and where the flags stand among the arguments.
OPENS = {"open": (2, None, 1), "openat": (257, 56, 2)}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000  # O_TMPFILE

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # the last: errno 1, EPERM


def confine():
    """Hands the kernel a filter of the system calls to come."""
    column, architecture = ARCHITECTURES[os.uname().machine]
    code = []

    def step(operation, value, skip_if=0, skip_else=0):
        code.append(struct.pack("HBBI", operation, skip_if, skip_else, value))

    step(LOAD, 4)  # the architecture
    step(EQUAL, architecture, 1, 0)
    step(RETURN, KILL)
    step(LOAD, 0)  # the call's number
    step(AT_LEAST, 0x40000000, 0, 1)  # x32, whose numbers mean something else
    step(RETURN, KILL)
    for numbers in OPENS.values():
        if numbers[column] is not None:
            step(EQUAL, numbers[column], 0, 4)
            step(LOAD, 16 + 8 * numbers[2])
            step(ANY_BIT, WRITES, 0, 1)
            step(RETURN, KILL)
            step(RETURN, ALLOW)
    for calls, verdict in ((ALLOWED, ALLOW), (KILLED, KILL)):
        for numbers in calls.values():
            if numbers[column] is not None:
                step(EQUAL, numbers[column], 0, 1)
                step(RETURN, verdict)
    step(RETURN, REFUSE)

    filters = ctypes.create_string_buffer(b"".join(code))
    program = struct.pack("HP", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with SECCOMP_MODE_FILTER
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        sys.exit("no seccomp")


def main():
    word, text = sys.stdin.buffer.read().split(b"\n", 1)
    code = compile(text, "program", "exec")
    answer = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    seconds, memory = int(sys.argv[1]), int(sys.argv[2])
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))
    confine()
    exec(code, {})
    os.write(answer, word)
    os._exit(0)


main()

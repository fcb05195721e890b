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
"""Types into a command on a terminal of its own, and shows what it printed.

    python terminal.py STEP... -- COMMAND...

A step is `wait:TEXT` (until TEXT was printed since the last such step), `pause:SECONDS`, `type:TEXT`,
or `exit:CODE`; in a text \\r is Enter, \\x03 is Ctrl-C and \\x10 is Ctrl-P.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

LIMIT_SECONDS = 120

split = sys.argv.index("--")
steps, command = sys.argv[1:split], sys.argv[split + 1 :]
signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells start background jobs with it ignored
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execvp(command[0], command)
deadline = time.monotonic() + LIMIT_SECONDS
seen = ""


def read():
    """Reads what comes within a second; whether there may be more."""
    global seen
    if time.monotonic() > deadline:
        sys.exit(f"too slow; printed: {seen}")
    if not select.select([terminal], [], [], 1)[0]:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:  # the other side was closed
        return False
    sys.stdout.write(data.decode(errors="replace"))
    sys.stdout.flush()
    seen += data.decode(errors="replace")
    return bool(data)


for step in steps:
    kind, _, text = step.partition(":")
    text = text.encode().decode("unicode_escape")
    if kind == "wait":
        while text not in seen:
            if not read():
                sys.exit(f"ended without {text!r}")
        seen = seen[seen.index(text) + len(text) :]
    elif kind == "pause":
        time.sleep(float(text))
    elif kind == "type":
        os.write(terminal, text.encode("latin-1"))
    else:
        while read():
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != int(text):
            sys.exit(f"exit code {code} instead of {text}")

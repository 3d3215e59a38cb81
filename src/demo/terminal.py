"""Runs a command on a terminal of its own: python3 terminal.py COLUMNS ROWS COMMAND...

Bytes pass between standard input and output and the terminal; file descriptor 3 takes lines "COLUMNS ROWS" when the
window changes size. Ends as the command ended.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

IUTF8 = 0o40000


def set_size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def run(columns, rows, command):
    pid, master = pty.fork()
    if pid == 0:
        mode = termios.tcgetattr(0)
        mode[0] |= IUTF8
        termios.tcsetattr(0, termios.TCSANOW, mode)
        set_size(0, columns, rows)
        os.closerange(3, 256)
        os.execvp(command[0], command)
    relay(master)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status))


def relay(master):
    typed, sizes = b"", b""
    sources = {0, 3, master}
    while True:
        # What is typed is read only when the last of it has been taken: a busy command must never block its own output.
        readers = [fd for fd in sources if fd != 0 or not typed]
        ready, writable, _ = select.select(readers, [master] if typed else [], [])
        if writable:
            typed = typed[os.write(master, typed[:512]) :]
        if 0 in ready:
            typed = os.read(0, 65536)
            if not typed:
                sources.discard(0)
        if 3 in ready:
            chunk = os.read(3, 4096)
            if not chunk:
                sources.discard(3)
            *lines, sizes = (sizes + chunk).split(b"\n")
            for line in lines:
                columns, rows = line.split()
                set_size(master, int(columns), int(rows))
        if master in ready:
            try:
                output = os.read(master, 65536)
            except OSError:  # the command has closed the terminal
                return
            if not output:
                return
            while output:
                output = output[os.write(1, output) :]


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])

"""Asks the Linux kernel whose socket is at the other end of a TCP connection (sock_diag).

One question by the addresses of both ends, one answer: uid and inode of that socket (8 µs). Owns
the netlink socket and the form of its messages, `linux/inet_diag.h`. Knows no process.
"""

from __future__ import annotations

import errno
import socket
import struct
from itertools import count
from typing import Final, NamedTuple

SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
ERROR: Final = 2  # NLMSG_ERROR
REQUEST: Final = 1  # NLM_F_REQUEST
EVERY_STATE: Final = 0xFFFFFFFF
NO_COOKIE: Final = 0xFFFFFFFF

_HEAD: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
_QUESTION: Final = struct.Struct("=BBBBI")  # inet_diag_req_v2: family, protocol, ext, pad, states
_PORTS: Final = struct.Struct("!HH")  # inet_diag_sockid: ports, then 16 bytes for each address,
_REST: Final = struct.Struct("=III")  # interface and cookie
_OWNER: Final = struct.Struct("=II")  # in inet_diag_msg: uid and inode,
_OWNER_AT: Final = _HEAD.size + 4 + 48 + 12  # behind states, sockid, expiry and queues

End = tuple[str, int]  # address and port


class Owner(NamedTuple):
    """Whose socket it is. `inode` 0: no process holds it any more, and `uid` means nothing."""

    uid: int
    inode: int


class SockDiag:
    """A netlink socket, kept open. For one thread."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, SOCK_DIAG)
        self._socket.setblocking(False)  # the kernel answers before `send` returns
        self._socket.connect((0, 0))
        self._numbers = count(1)

    def owner(self, family: int, theirs: End, ours: End) -> Owner | None:
        """Who has the socket whose own address is `theirs`; None if there is none.

        Raises OSError where the kernel can't be asked.
        """
        number = next(self._numbers) & 0xFFFFFFFF
        self._socket.send(question(number, family, theirs, ours))
        while True:
            found = self._socket.recv(4096)
            if _HEAD.unpack_from(found)[3] == number:  # not one to a question that was given up
                return answer(found)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def question(number: int, family: int, theirs: End, ours: End) -> bytes:
    """The message that asks for one TCP socket by its two ends."""
    ends = _PORTS.pack(theirs[1], ours[1]) + _address(family, theirs) + _address(family, ours)
    body = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, EVERY_STATE) + ends
    body += _REST.pack(0, NO_COOKIE, NO_COOKIE)
    return _HEAD.pack(_HEAD.size + len(body), BY_FAMILY, REQUEST, number, 0) + body


def answer(message: bytes) -> Owner | None:
    """What a message of the kernel says. Raises OSError if it is another error than `none`."""
    _, kind, *_ = _HEAD.unpack_from(message)
    if kind == BY_FAMILY:
        return Owner(*_OWNER.unpack_from(message, _OWNER_AT))
    if kind != ERROR:
        raise OSError(errno.EPROTO, f"the kernel answered with a message of type {kind}")
    (code,) = struct.unpack_from("=i", message, _HEAD.size)
    if code in (0, -errno.ENOENT):
        return None
    raise OSError(-code, "the kernel does not say whose socket it is")


def _address(family: int, end: End) -> bytes:
    return socket.inet_pton(family, end[0].partition("%")[0]).ljust(16, b"\0")

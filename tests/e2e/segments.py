"""Counts what arrives on a TCP connection in segments: one for each write of the other side, as long as each is small."""

import socket
import struct
import sys

from tests.require import require

_DATA_SEGMENTS_IN = 152
"""Offset of `tcpi_data_segs_in` in Linux' `struct tcp_info`."""


def segments_in(connection: socket.socket) -> int:
    """Segments with data that this side of a connection has received so far."""
    require(sys.platform == "linux", "Linux", "its TCP counts segments")
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS_IN + 4)
    (count,) = struct.unpack_from("=I", info, _DATA_SEGMENTS_IN)
    return count

"""Ask the system at which addresses a process and what it started listen."""

import psutil


def listeners(process):
    """Return where `process` and its descendants listen at TCP, as (address, port).

    Java names 127.0.0.1 as ::ffff:127.0.0.1, which is the same address.
    """
    found = set()
    for each in [process, *process.children(recursive=True)]:
        try:
            connections = each.net_connections("tcp")
        except psutil.Error:  # It ended in the meantime.
            continue
        found |= {
            (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
            for connection in connections
            if connection.status == psutil.CONN_LISTEN
        }
    return found

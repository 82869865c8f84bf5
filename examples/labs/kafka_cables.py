"""Cables between the nodes of a Kafka cluster, which can be cut around one of them.

Each node's inner listeners, for the other brokers and for the controllers, are reached
through a cable of this process. Clients go to the nodes directly.
"""

import asyncio
import socket
from contextlib import suppress
from threading import Thread

import psutil

HOST = "127.0.0.1"
INNER = 6000  # How far above the port for clients that for the other brokers lies.


def ends(node):
    """Return the two ports of each connection that a node's process has now."""
    found = psutil.Process(node.pid).net_connections("tcp")
    return {(each.laddr.port, each.raddr.port) for each in found if each.raddr}


class Cables:
    """What carries bytes between the nodes, and which node it leaves alone.

    A connection that is cut stays open, and what is sent on it arrives when the cables
    are mended, as with a network that drops packets for a while.
    """

    def __init__(self):
        self.alone = None
        self.carried = {}  # A connection to a cable, and the node to which it leads.
        self.held = set()
        self.loop = asyncio.new_event_loop()
        self.mended = asyncio.Event()
        Thread(target=self.loop.run_forever, daemon=True).start()

    def do(self, work):
        """Do the work, a coroutine, where the bytes are carried."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def lay(self, node, port):
        """Return a port that leads to `port` of the node."""
        here = socket.create_server((HOST, 0))

        async def carry(reader, writer):
            await self.carry(node, port, reader, writer)

        self.do(asyncio.start_server(carry, sock=here))
        return here.getsockname()[1]

    async def carry(self, node, port, reader, writer):
        """Carry what one connection brings, until it ends."""
        if self.alone and self.is_cut(node, writer):
            self.held.add(writer)
        self.carried[writer] = node
        with suppress(OSError):
            back, there = await asyncio.open_connection(HOST, port)
            ways = self.pump(writer, reader, there), self.pump(writer, back, writer)
            await asyncio.gather(*ways, return_exceptions=True)
        del self.carried[writer]
        writer.transport.abort()

    async def pump(self, connection, reader, writer):
        """Carry bytes one way until they end, and end the other side then."""
        try:
            while data := await reader.read(65536):
                if connection in self.held:
                    await self.mended.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()

    def is_cut(self, node, writer):
        """Tell whether a connection leads to or from the node that is left alone."""
        here = writer.get_extra_info("sockname")[1]
        there = writer.get_extra_info("peername")[1]
        return (node is self.alone) != ((there, here) in ends(self.alone))

    def cut(self, node):
        """Leave a node alone: nothing comes through from it, or to it."""

        async def cut():
            self.alone = node
            self.mended.clear()
            carried = self.carried.items()
            self.held = {each for each, to in carried if self.is_cut(to, each)}

        self.do(cut())

    def mend(self):
        """Let everything through again, and what was held first."""

        async def mend():
            self.alone = None
            self.held.clear()
            self.mended.set()

        self.do(mend())


def lay_cables(cluster):
    """Restart the nodes of a cluster with cables between them, and return the cables.

    They stay, so a cluster has them laid once.
    """
    cables, properties = Cables(), {}
    for node in cluster.nodes:
        lines = (node.folder / "server.properties").read_text().splitlines()
        properties[node.name] = dict(line.split("=", 1) for line in lines)
    voters = []
    for number, node in enumerate(cluster.nodes, 1):
        own = properties[node.name]
        client, controller = own["listeners"].split(",")
        # Below the ports of outgoing connections, one of which could take it otherwise.
        inner = int(client.rpartition(":")[2]) + INNER
        own["listeners"] = f"{client},INNER://{HOST}:{inner},{controller}"
        cable = cables.lay(node, inner)
        own["advertised.listeners"] = f"{client},INNER://{HOST}:{cable}"
        own["listener.security.protocol.map"] += ",INNER:PLAINTEXT"
        own["inter.broker.listener.name"] = "INNER"
        cable = cables.lay(node, int(controller.rpartition(":")[2]))
        voters.append(f"{number}@{HOST}:{cable}")
    cluster.stop()
    for node in cluster.nodes:
        own = {**properties[node.name], "controller.quorum.voters": ",".join(voters)}
        text = "".join(f"{key}={value}\n" for key, value in own.items())
        (node.folder / "server.properties").write_text(text)
    cluster.start()
    return cables

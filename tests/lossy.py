"""A TCP proxy before a Redis server that loses just what it is told to: one reply, or whoever calls."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha1

from fleetpoll.state.scripts import source

PIECE = 1 << 20
COMMAND_S = 0.05
"""How long the parts of one command may be apart."""
QUIT = b"*1\r\n$4\r\nQUIT\r\n"


def name_of_script(verb: str) -> bytes:
    """What a verb's script is called in an EVALSHA."""
    return sha1(source(verb).encode()).hexdigest().encode()  # noqa: S324 - Redis names scripts so


class Lossy:
    """Forwards connections to the server at `port` of loopback, which may become another one."""

    def __init__(self, port: int) -> None:
        self.port, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self._victim = b""
        self._open: set[socket.socket] = set()
        self.away = False
        self.attempts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is to be reached."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lose_reply(self, verb: str) -> None:
        """Let the next call of a verb be carried out, and cut the connection in place of the answer."""
        self._victim = name_of_script(verb)

    @property
    def armed(self) -> bool:
        """Whether the reply that is to be lost has not come yet."""
        return bool(self._victim)

    def go_away(self) -> None:
        """Cut all connections, and each new one as soon as it comes; from now on `attempts` counts these."""
        self.attempts, self.away = 0, True
        for one in list(self._open):
            cut(one)

    def close(self) -> None:
        """Cut everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.go_away()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    self.attempts += 1
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection: a command goes out, its answer comes back, until either side is done."""
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as server:
            self._open |= {client, server}
            if self.away:  # who was accepted just before is cut like the others
                return
            mute = threading.Event()
            back = threading.Thread(target=copy, args=(server, client, mute), daemon=True)
            back.start()
            with suppress(OSError):
                while piece := client.recv(PIECE):
                    if self._victim and self._victim in piece:
                        self._victim = b""
                        mute.set()
                        server.sendall(piece + rest_of(client) + QUIT)
                        break
                    server.sendall(piece)
            if not mute.is_set():
                cut(server)
            back.join()
            self._open -= {client, server}


def rest_of(client: socket.socket) -> bytes:
    """The rest of a command: all of it has come when the client waits for the answer."""
    rest = b""
    client.settimeout(COMMAND_S)
    with suppress(TimeoutError):
        while piece := client.recv(PIECE):
            rest += piece
    return rest


def copy(server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
    """Pass on what a server says, or keep it back, until either side is done; then cut the client off."""
    with suppress(OSError):
        while piece := server.recv(PIECE):
            if not mute.is_set():
                client.sendall(piece)
    cut(client)


def cut(one: socket.socket) -> None:
    """End a connection, whoever else reads from it."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def lossy(port: int) -> Iterator[Lossy]:
    """A proxy for as long as the block lasts."""
    proxy = Lossy(port)
    try:
        yield proxy
    finally:
        proxy.close()

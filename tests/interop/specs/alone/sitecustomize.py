# localstripe keeps its state in one file of the whole machine and listens on every address. Here it keeps it where it is told,
# and is reached from this machine alone; nothing else of it is changed.
import builtins
import os
import socket

STATE = os.environ.get("ZHIYOU_LOCALSTRIPE_STATE")
_open = builtins.open
_socket = socket.socket


def _opened(file, *rest, **named):
    return _open(STATE if file == "/tmp/localstripe.pickle" else file, *rest, **named)


class Socket(_socket):
    def bind(self, address):
        super().bind(("::ffff:127.0.0.1", *address[1:]) if address[0] == "::" else address)


if STATE:
    builtins.open = _opened
    socket.socket = Socket

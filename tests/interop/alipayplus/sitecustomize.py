# The official clients call port 443 by TLS, whatever address they are given. Here they are led to the sandbox, which is on
# this machine, on another port and without TLS; nothing else of them is changed.
import http.client
import os

PORT = os.environ.get("ZHIYOU_PLAIN_PORT")


class Plain(http.client.HTTPConnection):
    def __init__(self, host=None, port=None, timeout=15, context=None):
        super().__init__(host, int(PORT), timeout=timeout)


if PORT:
    http.client.HTTPSConnection = Plain

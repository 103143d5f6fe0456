"""What the app's server lets through: pages of this server to browsers of this machine."""

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from scoregeo._utils.errors import bad_value

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Gradio's page needs scripts and styles within it; nothing of it comes from elsewhere.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:;"
    " style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self';"
    " frame-ancestors 'none'"
)
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(host: str) -> None:
    """Raise ConfigError for a host that this machine cannot serve: no name or address, or another
    machine's. Gradio would try it for each of its ports.
    """
    allowed = "an address or a name of this machine, such as 127.0.0.1, or 0.0.0.0 for all"
    try:
        found = socket.getaddrinfo(host.strip("[]") or "?", 0, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as one:
            one.bind(address)
    except (OSError, UnicodeError) as error:
        raise bad_value("--host", host, f"{allowed} ({error})") from error


class Guard:
    """Middleware (ASGI): browsers load nothing from other servers, the server fetches nothing for
    them, and, where `hosts` are given, requests by other sites' pages are refused, also under a
    name of theirs for this address (DNS rebinding).
    """

    def __init__(self, app: Application, hosts: tuple[str, ...] = ()) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host, origin = (headers.get(key, b"").decode("latin-1") for key in (b"host", b"origin"))
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self._hosts and name not in self._hosts:
            await _refuse(send, 400, "This name is not the app's.")
        elif self._hosts and origin and origin.partition("://")[2] != host:
            await _refuse(send, 403, "Pages of other sites may not call the app.")
        elif "file=http" in unquote(unquote(scope["path"])).lower().replace(" ", ""):
            await _refuse(send, 403, "Files of other servers are not fetched.")
        else:
            await self._app(scope, receive, _with_policy(send))


def _with_policy(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = (b"content-security-policy", POLICY.encode())
            message["headers"] = [*message.get("headers", []), own]
        await send(message)

    return wrapped


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})

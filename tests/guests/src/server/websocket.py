"""Serves WebSockets on loopback, without and with TLS. What it does depends on the path."""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.server import serve

told = json.loads(sys.argv[1])


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def greet(connection):
    """Says what nobody asked for, asks for a pong, and then says hello in three parts."""
    await connection.send("one moment")
    await (await connection.ping())
    await connection.send(["hel", "lo ", "there"])
    await connection.wait_closed()


async def quiet(connection):
    await connection.wait_closed()


async def unwilling(connection):
    async for _ in connection:
        await connection.close(1008, "not today")


async def large(connection):
    await connection.send(b"x" * 100_000)
    await connection.wait_closed()


async def deaf(connection):
    """Hears no ping, and so answers none."""
    connection.transport.pause_reading()
    await asyncio.get_running_loop().create_future()


async def noise(connection):
    for _ in range(300):
        await connection.send("noise")
    await connection.wait_closed()


def says_bytes(frames):
    """Breaks the rules by these bytes, and says no more."""

    async def handler(connection):
        connection.transport.write(frames)
        connection.transport.write_eof()
        await connection.wait_closed()

    return handler


PATHS = {
    "/deaf": deaf,
    "/echo": echo,
    "/greet": greet,
    "/large": large,
    "/noise": noise,
    "/quiet": quiet,
    "/token": echo,
    "/unwilling": unwilling,
    "/broken/cut": says_bytes(b"\x81\x7e\x01\x00half"),
    "/broken/garbage": says_bytes(b"\xff\xfe\x00garbage"),
    "/broken/masked": says_bytes(b"\x81\x82\0\0\0\0hi"),
    "/broken/rest": says_bytes(b"\x80\x02hi"),
    "/broken/length": says_bytes(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"),
}


async def handle(connection):
    await PATHS[connection.request.path.partition("?")[0]](connection)


def judge(connection, request):
    """Lets in whoever asks for a path that there is, and there only with what it wants."""
    path = request.path.partition("?")[0]
    if path not in PATHS:
        return connection.respond(404, "there is nothing here\n")
    if path == "/token" and request.headers.get("Authorization") != "Bearer open-sesame":
        return connection.respond(401, "who are you?\n")
    return None


def choose(connection, offered):
    return "chat.v2" if "chat.v2" in offered else None


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(told["chain"], told["key"])
    how = {"process_request": judge, "select_subprotocol": choose}
    async with (
        serve(handle, "127.0.0.1", told["port"], **how),
        serve(handle, "127.0.0.1", told["tls_port"], ssl=tls, **how),
    ):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())

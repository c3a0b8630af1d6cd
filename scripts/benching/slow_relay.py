"""Pass connections on to a port of this computer and delay what comes back: a server far away. Run as a program.

slow_relay.py PORT SECONDS    PORT: of the server; it prints the port to use instead
"""

import asyncio
import contextlib
import sys

_PIECE = 256 * 1024


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"-"
        while data:
            data = await source.read(_PIECE)
            pieces.put_nowait((loop.time() + delay, data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await pieces.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                break
            target.write(data)
            await target.drain()
    finally:
        reading.cancel()
        target.close()


async def _relay(port: int, delay: float) -> None:
    async def connect(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            back, forth = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pass_on(source, forth, 0), _pass_on(back, target, delay))

    server = await asyncio.start_server(connect, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), float(sys.argv[2])))

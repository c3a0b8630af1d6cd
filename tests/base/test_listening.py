"""A server's socket sends small answers at once."""

import asyncio
import socket

from ibackup.base.listening import listen


def test_asyncio_does_not_wait_with_small_answers() -> None:
    async def answered() -> int:
        waits = asyncio.get_running_loop().create_future()

        def met(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            waits.set_result(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        with listen("127.0.0.1", 0, 1) as listening:
            async with await asyncio.start_server(met, sock=listening):
                with socket.create_connection(listening.getsockname()):
                    return int(await waits)

    assert asyncio.run(answered()) != 0

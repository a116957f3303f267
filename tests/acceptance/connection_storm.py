"""Opens many connections to a server at once, every other one of them silent, and holds them.

    connection_storm.py ADDRESS COUNT SECONDS

The others send HTTP/2's preface and then nothing. At the end a line of JSON: how many were open in the end, and how many the
server had closed or refused; without such a one there was no storm, and it ends with 1.
"""

import asyncio
import json
import sys

BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
OPEN_WITHIN_SECONDS = 5


async def hold(host, port, speaks, until):
    """Whether a connection is open at `until`."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), OPEN_WITHIN_SECONDS)
    except (OSError, asyncio.TimeoutError):
        return False
    try:
        if speaks:
            writer.write(BEGINNING)
            await writer.drain()
        while left := max(0, until - asyncio.get_running_loop().time()):
            if not await asyncio.wait_for(reader.read(4096), left):
                return False
    except asyncio.TimeoutError:
        return True
    except OSError:
        return False
    finally:
        writer.close()
    return True


async def main(address, count, seconds):
    host, port = address.rsplit(":", 1)
    until = asyncio.get_running_loop().time() + float(seconds)
    held = await asyncio.gather(*(hold(host, int(port), number % 2, until) for number in range(int(count))))
    print(json.dumps({"open": sum(held), "closed": len(held) - sum(held)}))
    return int(all(held))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))

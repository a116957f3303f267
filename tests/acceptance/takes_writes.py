"""Answers 200 for each database that takes writes and 503 for a standby, so that a proxy can ask.

    takes_writes.py CHECK_PORT=DATABASE_PORT… PSQL
"""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


def server(check_port, database_port, psql):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            ask = [psql, "-X", "-t", "-A", "-h", "127.0.0.1", "-U", "postgres", "-p", database_port]
            asked = subprocess.run(
                [*ask, "-c", "SELECT pg_is_in_recovery()", "postgres"],
                capture_output=True,
                text=True,
                timeout=2,
                check=False,
            )
            self.send_response(200 if asked.stdout.strip() == "f" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    return HTTPServer(("127.0.0.1", int(check_port)), Handler)


def main(*arguments):
    *pairs, psql = arguments
    servers = [server(*pair.split("="), psql) for pair in pairs]
    threads = [threading.Thread(target=it.serve_forever) for it in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

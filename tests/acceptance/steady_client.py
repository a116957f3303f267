"""Uses credits without a pause while servers and databases come and go, and counts what it was told.

    steady_client.py ADDRESS PACKAGES_FILE SECONDS LOG

PACKAGES_FILE: one "customer package item" a line. Each use has a request id of its own and is tried with it until
there is an answer; LOG gets "sent id", "ok id" and "refused id reason" lines. At the end a line of JSON: how many were sent and
answered, how many of them needed another try, and the longest that one took.
"""

import json
import os
import random
import sys
import threading
import time
import uuid
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("carnet/v1/credit_service.proto")

THREADS = 4
DEADLINE_SECONDS = 5
GIVE_UP_SECONDS = 90
WORTH_ANOTHER_TRY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


class Client:
    def __init__(self, address, packages, log):
        self.stub = services.CreditServiceStub(grpc.insecure_channel(address))
        self.metadata = [("authorization", f"Bearer {os.environ['CARNET_TOKEN']}")]
        self.packages, self.log, self.lock = packages, log, threading.Lock()
        self.told = {"sent": 0, "ok": 0, "refused": 0, "unanswered": 0, "tried_again": 0, "longest_seconds": 0.0}

    def write(self, line):
        with self.lock:
            self.log.write(line + "\n")
            self.log.flush()

    def count(self, *names):
        with self.lock:
            for name in names:
                self.told[name] += 1

    def use(self):
        customer, package, item = random.choice(self.packages)
        request_id = str(uuid.uuid4())
        request = messages.ConsumeRequest(
            request_id=request_id,
            customer_id=customer,
            package_ids=[package],
            item=messages.ItemUnits(item_id=item),
        )
        self.write(f"sent {request_id}")
        self.count("sent")
        begun, tries = time.monotonic(), 0
        while time.monotonic() - begun < GIVE_UP_SECONDS:
            tries += 1
            try:
                self.stub.Consume(request, timeout=DEADLINE_SECONDS, metadata=self.metadata)
                self.write(f"ok {request_id}")
                self.count("ok", *(["tried_again"] if tries > 1 else []))
                break
            except grpc.RpcError as error:
                if error.code() not in WORTH_ANOTHER_TRY:
                    self.write(f"refused {request_id} {error.code().name} {error.details()}")
                    self.count("refused")
                    break
                time.sleep(0.05 * random.uniform(1, 3))
        else:
            self.count("unanswered")
        with self.lock:
            took = time.monotonic() - begun
            self.told["longest_seconds"] = max(self.told["longest_seconds"], round(took, 2))

    def run_until(self, end):
        while time.monotonic() < end:
            self.use()


def main(address, packages_file, seconds, log_file):
    packages = [line.split() for line in Path(packages_file).read_text().splitlines()]
    with open(log_file, "w", encoding="utf-8") as log:
        client = Client(address, packages, log)
        end = time.monotonic() + float(seconds)
        threads = [threading.Thread(target=client.run_until, args=[end]) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps(client.told))
    return 0 if client.told["unanswered"] == client.told["refused"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))

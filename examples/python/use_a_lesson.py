"""Uses a lesson of a customer, as a front end should: with a deadline, one request id for all tries, and the
numbers of a refusal.

    python3 -m venv venv && venv/bin/pip install -r examples/python/requirements.txt
    export CARNET_ADDRESS=127.0.0.1:50051 CARNET_TOKEN=carnet_…
    venv/bin/python examples/python/use_a_lesson.py ext:mari ext:swim-lesson
"""

import os
import random
import sys
import time
import uuid
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

# Compiles the proto files when they are imported; a real client does that when it is built.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("carnet/v1/credit_service.proto")

DEADLINE_SECONDS = 5
TRIES_MAX = 5
# After these nothing was done, or nobody knows what was done: either way the same request may be sent again.
WORTH_ANOTHER_TRY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def details(error):
    """What a refusal carries: the reason with its numbers, and how long to wait."""
    info, wait = None, None
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            wait = retry.retry_delay.ToTimedelta().total_seconds()
    return info, wait


def with_tries(call, request, metadata):
    """Sends the same request, with the same id, until there is an answer that counts."""
    for tries in range(1, TRIES_MAX + 1):
        try:
            return call(request, timeout=DEADLINE_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            _, wait = details(error)
            if error.code() not in WORTH_ANOTHER_TRY or tries == TRIES_MAX:
                raise
            time.sleep((wait or 0.1 * 2**tries) * random.uniform(0.5, 1.5))


def main(customer, item):
    metadata = [("authorization", f"Bearer {os.environ['CARNET_TOKEN']}")]
    address = os.environ["CARNET_ADDRESS"].removeprefix("http://")
    with grpc.insecure_channel(address) as channel:
        credits = services.CreditServiceStub(channel)
        request = messages.ConsumeRequest(
            request_id=str(uuid.uuid4()),
            customer_id=customer,
            item=messages.ItemUnits(item_id=item),
        )
        try:
            done = with_tries(credits.Consume, request, metadata)
        except grpc.RpcError as error:
            info, _ = details(error)
            if info is None:
                raise
            print(f"refused: {info.reason} {dict(info.metadata)}")
            print(error.details())
            return 1
        for part in done.parts:
            left = part.balances.available
            print(f"used {part.amount} of {part.package_id}, {left} left")
        again = with_tries(credits.Consume, request, metadata)
        print(f"the same request again: replayed={str(again.replayed).lower()}, nothing more was used")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

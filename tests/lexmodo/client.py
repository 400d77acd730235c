"""Reads a store's whole listing by PIT, with grpcio, one page at a time: what another client takes for it.

    python client.py ADDRESS STORE --page-size 1000 [--tls-ca FILE] <<< TOKEN

Prints `{"customers": ..., "pages": ..., "seconds": ..., "cpu_seconds": ..., "max_rss_kib": ...}`; the time, and the
processor's, begin before the connection.
"""

import argparse
import json
import pathlib
import resource
import sys
import time

import grpc

from descriptor import SERVICE, CustomerListing, ResultResponse

# Of a call, as the program under test has it.
_DEADLINE_SECONDS = 5
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024


def _channel(address, ca):
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    if ca is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.read_bytes()), options)


def pages(channel, token, store, size):
    """The pages of a store's listing; each is a CustomerListing."""
    call = channel.unary_unary(
        f"/{SERVICE}/GetCustomerListing",
        request_serializer=CustomerListing.SerializeToString,
        response_deserializer=ResultResponse.FromString,
    )
    metadata = [("authorization", f"Bearer {token}"), ("x-client-id", str(store))]
    pit = ""
    while True:
        answer = call(CustomerListing(display_result=size, pit=pit), metadata=metadata, timeout=_DEADLINE_SECONDS)
        if answer.failure:
            sys.exit(f"the server failed: {answer.message}")
        page = answer.customers_listing
        yield page
        pit = page.pit
        if not pit or not page.customer_listing or page.total_result <= size:
            return


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="host:port")
    parser.add_argument("store", type=int)
    parser.add_argument("--page-size", type=int, default=100)
    parser.add_argument("--tls-ca", type=pathlib.Path, help="what the server's certificate is checked with, PEM")
    return parser.parse_args()


def main():
    """Reads all pages, keeps none, and prints how it went."""
    arguments = _arguments()
    token = sys.stdin.readline().strip()
    started, cpu = time.perf_counter(), time.process_time()
    customers = count = 0
    with _channel(arguments.address, arguments.tls_ca) as channel:
        for page in pages(channel, token, arguments.store, arguments.page_size):
            count += 1
            customers += sum(1 for customer in page.customer_listing if customer.customer_id)
    facts = {"customers": customers, "pages": count}
    facts["seconds"] = time.perf_counter() - started
    facts["cpu_seconds"] = time.process_time() - cpu
    facts["max_rss_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(facts))


if __name__ == "__main__":
    main()

"""The customers service of a Lexmodo platform, with grpcio: stores 7 and 8, point-in-time paging, reflection.

    python server.py [--customers 10000] [--tls-cert FILE --tls-key FILE] [--port PORT] [--control-port PORT]

Prints `{"grpc": PORT, "control": PORT}` when it is ready, and ends when its standard input does. Both ports are on
loopback. A call needs `authorization: Bearer <token>` with a token that is accepted (none is at first) and
`x-client-id: <store>` with the store that it is of. Control, HTTP with JSON:

- `PUT /tokens` `{"token": T, "store": 7}` accepts a token, `DELETE /tokens/T` accepts it no longer, and
  `PUT /tokens/any` `{"store": 7}` (or null: each) accepts all that were not deleted.
- `PUT /behaviour` adds to how it misbehaves, `DELETE /behaviour` makes it healthy: `{"unavailable": n}`,
  `{"unauthenticated": n}`, `{"hang": n}` (no answer at all), `{"status": "PERMISSION_DENIED", "times": n}`,
  `{"failure": "text", "times": n}` (status OK, but `failure`), `{"repeat_page": true}` (every page is the first),
  `{"cycle": n}` (the first n pages in turn, without end), `{"same_pit": true}` (the PIT stays the same),
  `{"trailing_pit": true}` (the last answers have a PIT too, and what follows has no customers),
  `{"expire_pit_after": n}` (the n-th request with a PIT finds it expired), `{"expire_always": true}` (each does),
  `{"expire_first": true}` (the next listing request does, once, PIT or not), `{"unknown_fields": true}`,
  `{"large": bytes}` (answers are larger than that), `{"omit_wrappers": true}` (customers have an id alone),
  `{"delay_ms": n}`, `{"revoke_after": n}` (after n more calls, the tokens used so far are accepted no longer).
- `GET /calls` gives the calls so far, also those that were refused or given up; `DELETE /calls` forgets them.
- `GET /descriptor-set` gives the FileDescriptorSet, which has more than the documented fields.
"""

import argparse
import asyncio
import pathlib

import grpc
from grpc_reflection.v1alpha import reflection

import lifeline
from control import control
from descriptor import POOL, SERVICE
from service import Customers
from web import serve

# Without it, a second server could share the port of the first.
_OPTIONS = [("grpc.so_reuseport", 0)]


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=10_000, help="how many each store has")
    parser.add_argument("--tls-cert", type=pathlib.Path, help="a certificate chain, PEM")
    parser.add_argument("--tls-key", type=pathlib.Path, help="its private key, PEM")
    parser.add_argument("--port", type=int, default=0, help="of gRPC; 0 is any that is free")
    parser.add_argument("--control-port", type=int, default=0, help="of control; 0 is any that is free")
    return parser.parse_args()


def _listen(server, arguments):
    address = f"127.0.0.1:{arguments.port}"
    if arguments.tls_cert is None:
        return server.add_insecure_port(address)
    pair = (arguments.tls_key.read_bytes(), arguments.tls_cert.read_bytes())
    return server.add_secure_port(address, grpc.ssl_server_credentials([pair]))


async def main():
    """Serves until standard input ends."""
    arguments = _arguments()
    customers = Customers(arguments.customers)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((customers.handler(),))
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=POOL)
    port = _listen(server, arguments)
    await server.start()
    lifeline.ready({"grpc": port, "control": serve(control(customers), arguments.control_port)})
    await lifeline.until_standard_input_ends()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(main())

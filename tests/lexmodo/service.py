"""The service itself: what a call is answered."""

import asyncio
import collections

import grpc
from google.protobuf import json_format

from access import Access, sha256
from behaviour import UNKNOWN_FIELDS, Behaviour
from customers import STORES, Store
from descriptor import SERVICE, CustomerIdRequest, CustomerListing, ResultResponse
from listing import Expired, Listings, UnknownRule

# Older calls are forgotten.
_MAX_CALLS = 100_000


class Customers:
    """The customers of all stores, and what is known of the calls. All of it belongs to the event loop's thread."""

    def __init__(self, count):
        self.access = Access()
        self.behaviour = Behaviour()
        self.calls = collections.deque(maxlen=_MAX_CALLS)
        self._stores = {store: Store(store, count) for store in STORES}
        self._listings = Listings(self._stores, self.behaviour)

    def handler(self):
        """What grpcio wants to know of a service."""
        def method(name, answer, request):
            async def call(message, context):
                return await self._call(name, answer, message, context)
            return grpc.unary_unary_rpc_method_handler(
                call, request_deserializer=request.FromString, response_serializer=ResultResponse.SerializeToString
            )
        return grpc.method_handlers_generic_handler(SERVICE, {
            "GetCustomerByID": method("GetCustomerByID", self._customer, CustomerIdRequest),
            "GetCustomerListing": method("GetCustomerListing", self._listing, CustomerListing),
        })

    async def _call(self, name, answer, message, context):
        metadata = dict(context.invocation_metadata())
        call = _record(name, metadata, message, context)
        self.calls.append(call)
        try:
            if self.behaviour.ends("revoke_after"):
                self.access.refuse_used()
            await self.behaviour.before(context)
            store = await self.access.check(context, metadata)
            failure = self.behaviour.failure()
            if failure is not None:
                return ResultResponse(failure=True, code="failed", message=failure)
            return self._dress(await answer(store, message, context))
        except asyncio.CancelledError:
            call["cancelled"] = True
            raise

    async def _customer(self, store, request, _context):
        found = self._stores[store].find(request.customer_id)
        if found is None:
            return ResultResponse(failure=True, code="not_found", message="customer not found")
        return ResultResponse(success=True, code="ok", customer=found)

    async def _listing(self, store, request, context):
        try:
            page = self._listings.page(store, request)
        except Expired:
            await context.abort(grpc.StatusCode.NOT_FOUND, "point in time expired")
        except UnknownRule:
            return ResultResponse(failure=True, code="unknown_rule", message=f"there is no rule {request.rule_id}")
        return ResultResponse(success=True, code="ok", customers_listing=page)

    def _dress(self, answer):
        """Makes an answer poorer or richer, as it is asked for."""
        found = list(answer.customers_listing.customer_listing) if answer.HasField("customers_listing") else []
        if answer.HasField("customer"):
            found.append(answer.customer)
        if self.behaviour.get("omit_wrappers"):
            for customer in found:
                identity = customer.customer_id
                customer.Clear()
                customer.customer_id = identity
        if self.behaviour.get("unknown_fields"):
            for customer in found:
                customer.customer_company.value = f"Company of {customer.customer_id}"
                customer.MergeFromString(UNKNOWN_FIELDS)
            answer.MergeFromString(UNKNOWN_FIELDS)
        answer.message += "x" * self.behaviour.get("large", 0)
        return answer


def _record(name, metadata, message, context):
    authorization = metadata.get("authorization")
    store = metadata.get("x-client-id", "")
    shown = {key: value.hex() if isinstance(value, bytes) else value for key, value in metadata.items()}
    shown.pop("authorization", None)
    return {
        "method": name,
        "store": int(store) if store.isascii() and store.isdigit() else None,
        # Of all of the header's value, `Bearer ` too.
        "authorization_sha256": sha256(authorization) if authorization is not None else None,
        "metadata": shown,
        "request": json_format.MessageToDict(message, preserving_proto_field_name=True),
        "peer": context.peer(),
        "cancelled": False,
    }

"""Which access tokens are accepted, and for which store."""

import hashlib

import grpc

from customers import STORES

_NOBODY = object()


class Access:
    """The accepted tokens. All of it belongs to the event loop's thread."""

    def __init__(self):
        self._stores = {}
        self._any = _NOBODY
        self._refused = set()
        self._used = set()

    def accept(self, token, store):
        """Accepts a token for a store."""
        self._refused.discard(token)
        self._stores[token] = store

    def accept_any(self, store):
        """Accepts every token that is not refused, for one store, or for each if that is none."""
        self._any = store

    def refuse(self, token):
        """Accepts a token no longer, also where any is."""
        self._stores.pop(token, None)
        self._refused.add(token)

    def refuse_used(self):
        """Accepts none of the tokens any longer that a call came with so far."""
        for token in self._used:
            self.refuse(token)
        self._used = set()

    def _allows(self, token, store):
        if not token or token in self._refused:
            return False
        if token in self._stores:
            return self._stores[token] == store
        return self._any is None or self._any == store

    async def check(self, context, metadata):
        """The store that a call is for; ends the call if it may not be made."""
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        store = metadata.get("x-client-id", "")
        if scheme != "Bearer" or not token or token in self._refused:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the access token is not accepted")
        if store not in map(str, STORES):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "x-client-id must be the id of a store")
        if token not in self._stores and self._any is _NOBODY:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the access token is not accepted")
        if not self._allows(token, int(store)):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "the access token is of another store")
        self._used.add(token)
        return int(store)


def sha256(text):
    """The SHA-256 of a text, in hexadecimal: what is told of a credential."""
    return hashlib.sha256(text.encode()).hexdigest()

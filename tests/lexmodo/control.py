"""Control of the customers server: HTTP with JSON. What it can do is in server.py."""

from customers import STORES
from descriptor import descriptor_set
from web import Answer, Refused

_DONE = {"ok": True}


def _store(body, may_be_none=False):
    store = body.get("store")
    if store in STORES or (may_be_none and store is None):
        return store
    raise Refused(400, f"store must be one of {STORES}")


def control(customers):
    """The function that answers control's requests."""
    def answer(request):
        body = request.body if request.body is not None else {}
        match (request.method, *request.path):
            case ("PUT", "tokens"):
                customers.access.accept(body["token"], _store(body))
            case ("PUT", "tokens", "any"):
                customers.access.accept_any(_store(body, may_be_none=True))
            case ("DELETE", "tokens", token):
                customers.access.refuse(token)
            case ("PUT", "behaviour"):
                customers.behaviour.change(body)
            case ("DELETE", "behaviour"):
                customers.behaviour.reset()
            case ("GET", "calls"):
                return Answer(list(customers.calls))
            case ("DELETE", "calls"):
                customers.calls.clear()
            case ("GET", "descriptor-set"):
                return Answer(descriptor_set().SerializeToString(), content_type="application/octet-stream")
            case _:
                raise Refused(404, f"control has no {request.method} /{'/'.join(request.path)}")
        return Answer(_DONE)
    return answer

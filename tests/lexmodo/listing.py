"""Listings page by page: a point in time (PIT) is a cursor that the server keeps, named by a text that says nothing."""

import collections
import dataclasses
import secrets

from customers import customer
from descriptor import CustomerListing

# Of an answer where no page size was asked for.
DEFAULT_SIZE = 25
_MAX_CURSORS = 10_000


class Expired(Exception):
    """The point in time is not, or no longer, known."""


class UnknownRule(Exception):
    """The store has no such rule."""


@dataclasses.dataclass
class _Cursor:
    store: int
    numbers: list
    size: int
    # Of the page that comes next, from 0.
    index: int


class Listings:
    """The points in time that are open. All of it belongs to the event loop's thread."""

    def __init__(self, stores, behaviour):
        self._stores = stores
        self._behaviour = behaviour
        self._cursors = collections.OrderedDict()

    def page(self, store, request):
        """The page that a request is for. With a PIT, what else the request says is not looked at."""
        if self._behaviour.get("expire_first"):
            self._behaviour.change({"expire_first": False})
            raise Expired
        cursor = self._cursor(store, request)
        numbers, more = self._numbers(cursor)
        page = CustomerListing(
            page_num=cursor.index + 1,
            total_result=len(cursor.numbers),
            display_result=cursor.size,
            rule_id=request.rule_id,
            rule_query=request.rule_query,
        )
        page.customer_listing.extend(customer(store, number) for number in numbers)
        if more:
            page.pit = self._next(cursor, request.pit)
        elif self._behaviour.get("same_pit") and request.pit:
            del self._cursors[request.pit]
        return page

    def _cursor(self, store, request):
        if not request.pit:
            return self._open(store, request)
        cursor = self._cursors.get(request.pit)
        expires = self._behaviour.get("expire_always") or self._behaviour.take_last("expire_pit_after")
        if expires:
            self._cursors.pop(request.pit, None)
        if expires or cursor is None or cursor.store != store:
            raise Expired
        return cursor

    def _open(self, store, request):
        numbers = self._stores[store].matching(request.rule_id, request.rule_query)
        if numbers is None:
            raise UnknownRule
        index = max(request.page_num, 1) - 1
        return _Cursor(store, numbers, request.display_result or DEFAULT_SIZE, index)

    def _numbers(self, cursor):
        """The numbers of the customers of the page, and whether a page follows."""
        cycle = 1 if self._behaviour.get("repeat_page") else self._behaviour.get("cycle", 0)
        index = cursor.index % cycle if cycle else cursor.index
        end = (index + 1) * cursor.size
        numbers = cursor.numbers[end - cursor.size:end]
        more = cycle > 0 or end < len(cursor.numbers) or bool(self._behaviour.get("trailing_pit"))
        return numbers, more

    def _next(self, cursor, pit):
        following = dataclasses.replace(cursor, index=cursor.index + 1)
        if not (pit and self._behaviour.get("same_pit")):
            # The one before stays good: whoever got no answer may ask again.
            pit = secrets.token_urlsafe(24)
        self._cursors[pit] = following
        while len(self._cursors) > _MAX_CURSORS:
            self._cursors.popitem(last=False)
        return pit

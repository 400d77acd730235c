"""The customers of the stores: made from their number, so that every run has the same."""

import functools

from descriptor import CustomerInfo

STORES = (7, 8)

_FIRST_NAMES = {
    7: ("Ann", "Ben", "Cleo", "Dana", "Eve", "Frank", "Zoë", "王"),
    8: ("Gil", "Hana", "Ivo", "Jo", "Kay", "Łukasz", "Mia", "Noor"),
}
_LAST_NAMES = ("Archer", "Baker", "Cooper", "Dyer", "Fletcher", "Mason", "O'Neill", "Smith", "Weaver", "小明", "Zeller")


def customer_id(store, number):
    """The id of the customer with this number, from 1."""
    return f"{store}-{number:06}"


@functools.lru_cache(maxsize=None)
def customer(store, number):
    """A customer. Every fifth has no phone number, every seventh no email address, every eleventh only a full name, and
    every thirteenth an empty phone number, which is not the same as none."""
    firsts = _FIRST_NAMES[store]
    first, last = firsts[number % len(firsts)], _LAST_NAMES[number % len(_LAST_NAMES)]
    made = CustomerInfo(customer_id=customer_id(store, number))
    made.customer_full_name.value = f"{first} {last}"
    if number % 11:
        made.customer_first_name.value = first
        made.customer_last_name.value = last
    if number % 7:
        made.customer_email.value = f"customer-{number}@store-{store}.example"
    if number % 13 == 0:
        made.customer_phone_number.SetInParent()
    elif number % 5:
        made.customer_phone_number.value = f"+1 555 {store} {number:07}"
    return made


class Store:
    """The customers of one store."""

    def __init__(self, identity, count):
        self.identity = identity
        self.count = count
        self._numbers = range(1, count + 1)

    def find(self, identity):
        """The customer with this id, or none."""
        store, _, number = identity.partition("-")
        if store != str(self.identity) or not number.isascii() or not number.isdigit():
            return None
        number = int(number)
        if number not in self._numbers or identity != customer_id(self.identity, number):
            return None
        return customer(self.identity, number)

    def matching(self, rule_id, rule_query):
        """The numbers of the customers that a rule names; none if there is no such rule.

        There is one rule, `with-phone`; `rule_query` is looked for in full names and email addresses, in any case.
        """
        if rule_id not in ("", "with-phone"):
            return None
        if not rule_id and not rule_query:
            return self._numbers
        wanted = rule_query.casefold()
        return [number for number in self._numbers if self._matches(number, rule_id, wanted)]

    def _matches(self, number, rule_id, wanted):
        made = customer(self.identity, number)
        if rule_id and not made.customer_phone_number.value:
            return False
        return wanted in made.customer_full_name.value.casefold() or wanted in made.customer_email.value.casefold()

"""How the server misbehaves, as it is told by control."""

import asyncio

import grpc

# Fields that no version of the contract has: one of every wire type, nested and empty ones too.
UNKNOWN_FIELDS = bytes.fromhex(
    "a00696 01"  # 100, varint 150
    "a9060102030405060708"  # 101, eight bytes
    "b2060568656c6c6f"  # 102, length-delimited "hello"
    "bb06 08 01 bc06"  # 103, a group with a varint in it
    "c50601020304"  # 104, four bytes
    "ca0600"  # 105, length-delimited and empty
    "a0 06 ffffffffffffffffff01"  # 100 again, the largest varint
)

_KNOWN = {
    "unavailable": int, "unauthenticated": int, "status": str, "times": int, "failure": str, "hang": int,
    "delay_ms": int, "revoke_after": int, "repeat_page": bool, "cycle": int, "same_pit": bool, "trailing_pit": bool,
    "expire_pit_after": int, "expire_first": bool, "expire_always": bool, "unknown_fields": bool,
    "omit_wrappers": bool, "large": int,
}


class Behaviour:
    """What was asked for, and how much of it is left. All of it belongs to the event loop's thread."""

    def __init__(self):
        self._asked = {}

    def change(self, asked):
        """Adds to what was asked for; raises ValueError for what is not known."""
        for name, value in asked.items():
            kind = _KNOWN.get(name)
            if kind is None:
                raise ValueError(f"unknown behaviour {name}: known are {', '.join(_KNOWN)}")
            if type(value) is not kind:
                raise ValueError(f"{name} must be {kind.__name__}")
        status = asked.get("status")
        if status is not None and (status == "OK" or status not in grpc.StatusCode.__members__):
            raise ValueError(f"status {status} is none of gRPC's failures")
        if "status" in asked or "failure" in asked:
            # They share `times`, which is 1 if it is not said.
            self._asked = {k: v for k, v in self._asked.items() if k not in ("status", "failure", "times")}
        self._asked.update(asked)

    def reset(self):
        """Healthy again."""
        self._asked = {}

    def get(self, name, default=None):
        """What was asked for by this name."""
        return self._asked.get(name, default)

    def take(self, name):
        """Uses up one of a number of times; whether one was left."""
        left = self._asked.get(name, 0)
        if left <= 0:
            return False
        self._asked[name] = left - 1
        return True

    def take_last(self, name):
        """Counts down; true once, when the last is used up: with n, the n-th time."""
        return self.take(name) and self._asked[name] == 0

    def ends(self, name):
        """Counts down; true once, when the count is over: with n, at the call after n more."""
        left = self._asked.get(name)
        if left is None:
            return False
        if left > 0:
            self._asked[name] = left - 1
            return False
        del self._asked[name]
        return True

    def _take_named(self, name):
        """Uses up one of the `times` of `status` or `failure`; gives what was asked for, or none."""
        value = self._asked.get(name)
        if value is None:
            return None
        left = self._asked.get("times", 1) - 1
        self._asked["times"] = left
        if left <= 0:
            del self._asked[name], self._asked["times"]
        return value

    async def before(self, context):
        """Does what comes before a call is looked at."""
        if self.take("hang"):
            await asyncio.Event().wait()
        delay = self.get("delay_ms", 0)
        if delay:
            await asyncio.sleep(delay / 1000)
        if self.take("unavailable"):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is being restarted")
        if self.take("unauthenticated"):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the access token is not accepted")
        status = self._take_named("status")
        if status:
            await context.abort(grpc.StatusCode[status], f"{status} as it was asked for")

    def failure(self):
        """The message that this call's answer must fail with though its status is OK, or none."""
        return self._take_named("failure")

"""Publishes events as the CloudEvents SDK for Python writes them, and reads them back with it: cloud_events.py BASE TOKEN.
Prints what was answered and read."""

import json
import sys
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

base, token = sys.argv[1:]


def event(id, data, **attributes):
    given = {"id": id, "source": "https://python.example/orders", "type": "python.order.paid", "specversion": "1.0"}
    return CloudEvent({**given, **attributes}, data)


def call(method, path, headers=None, body=None):
    headers = {"authorization": f"Bearer {token}", **(headers or {})}
    try:
        with urlopen(Request(base + path, data=body, headers=headers, method=method)) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()


def publish(message):
    return call("POST", "/events", message.headers, message.body)[0]


json_type = {"datacontenttype": "application/json"}
moment = datetime(2026, 11, 21, 9, 30, tzinfo=timezone.utc)
statuses = {
    "binary": publish(
        to_binary_event(event("binary", {"total": 7}, subject="Ütrecht 1", comexample="a b%c", time=moment, **json_type), JSONFormat())
    ),
    "bytes": publish(
        to_binary_event(event("bytes", b"\x00\xff", datacontenttype="application/octet-stream"), JSONFormat())
    ),
    "structured": publish(to_structured_event(event("structured", {"total": 8}, **json_type), JSONFormat())),
}

listed = json.loads(call("GET", "/events?type=python.*")[1])["events"]
told = []
for each in listed:
    message = HTTPMessage({"content-type": "application/cloudevents+json"}, json.dumps(each).encode())
    read = from_structured_event(message, JSONFormat())
    data = read.get_data()
    told.append(
        {
            "id": read.get_id(),
            "source": read.get_source(),
            "subject": read.get_subject(),
            "comexample": read.get_extension("comexample"),
            "data": data.hex() if isinstance(data, bytes) else data,
        }
    )
print(json.dumps({"statuses": statuses, "told": told}))

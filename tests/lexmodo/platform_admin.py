"""The admin pages of a Lexmodo platform: they show a plugin in a frame, with a fresh session token by PyJWT.

    python platform_admin.py '{"plugin_code": "jackfield", "secret": "...", "plugin_url": "http://127.0.0.1:4000/"}' [PORT]

Prints `{"origin": "http://localhost:PORT", "port": PORT}` when it is ready, and ends when its standard input does. The
origin is the session tokens' `iss`. It is on loopback; a plugin at `http://127.0.0.1:...` is on another site.

- `GET /plugins/<code>` shows the frame. Its query may have `store` (7 at first; kept in a cookie, so that whoever is sent
  back here is still signed in to it), `email`, `name`, `sandbox` and `allow` (the frame's attributes; with neither it has
  none; an empty `sandbox` allows nothing), `referrerpolicy`, `exp` (seconds that the token lives, 300; below 0 it has
  expired) and `path` (of the plugin, "/" at first).
- `GET /session-token` takes `store`, `email`, `name` and `exp`, and gives `{"session_token": ...}`.
- `PUT /test/setup` changes what it was started with, by the same names.
- `GET /test/log` gives what pages were shown: `[{"path", "query", "store", "referer"}]`.
"""

import asyncio
import html
import json
import pathlib
import string
import sys
import time
import urllib.parse
from http.cookies import SimpleCookie

import lifeline
from session_token import session_token
from web import Answer, Refused, serve

_PAGE = string.Template(pathlib.Path(__file__).with_name("admin.html").read_text(encoding="utf-8"))
_ATTRIBUTES = ("sandbox", "allow", "referrerpolicy")
_HTML = "text/html; charset=utf-8"


class Platform:
    """The pages, and what is set of them."""

    def __init__(self, setup):
        self.origin = ""
        self._setup = setup
        self._log = []

    def answer(self, request):
        """Answers a request."""
        match (request.method, *request.path):
            case ("GET", "plugins", code):
                return self._plugin(code, request)
            case ("GET", "session-token"):
                return Answer({"session_token": self._session_token(self._store(request), request.query)})
            case ("PUT", "test", "setup"):
                self._setup.update(request.body)
                return Answer({"ok": True})
            case ("GET", "test", "log"):
                return Answer(self._log)
        raise Refused(404, "there is no such page")

    def _plugin(self, code, request):
        if code != self._setup["plugin_code"]:
            raise Refused(404, "there is no such plugin")
        if not self._setup.get("plugin_url"):
            raise Refused(503, "PUT /test/setup says where the plugin is")
        store, query = self._store(request), request.query
        self._log.append({
            "path": "/" + "/".join(request.path), "query": query, "store": store,
            "referer": request.headers.get("referer"),
        })
        where = urllib.parse.urljoin(self._setup["plugin_url"], query.get("path", "/"))
        source = f"{where}?{urllib.parse.urlencode({'session_token': self._session_token(store, query)})}"
        attributes = "".join(f' {name}="{html.escape(query[name])}"' for name in _ATTRIBUTES if name in query)
        email, name = _person(query)
        page = _PAGE.substitute(
            store=store, email=html.escape(email), name=html.escape(name), attributes=attributes, src=html.escape(source)
        )
        cookie = f"store={store}; Path=/; HttpOnly; SameSite=Lax"
        return Answer(page, content_type=_HTML, headers=[("set-cookie", cookie), ("cache-control", "no-store")])

    def _store(self, request):
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("store")
        return int(request.query.get("store") or (cookie.value if cookie else 7))

    def _session_token(self, store, query):
        now = int(time.time())
        email, name = _person(query)
        claims = {
            "iss": self.origin,
            "store_id": store,
            "extra": {"admin_email": email, "admin_name": name},
            "iat": now,
            "nbf": now,
            "exp": now + int(query.get("exp", 300)),
        }
        return session_token({"claims": claims, "secret": self._setup["secret"]})


def _person(query):
    return query.get("email", "ann@example.com"), query.get("name", "Ann Archer")


async def main():
    """Serves until standard input ends."""
    platform = Platform(json.loads(sys.argv[1]))
    port = serve(platform.answer, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    platform.origin = f"http://localhost:{port}"
    lifeline.ready({"origin": platform.origin, "port": port})
    await lifeline.until_standard_input_ends()


if __name__ == "__main__":
    asyncio.run(main())

"""Small HTTP servers on loopback, whose requests are handled by the event loop, one after the other."""

import asyncio
import http.server
import json
import threading
import urllib.parse


class Refused(Exception):
    """A request that is wrong, with the status of its answer."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Request:
    """What was asked: method, path (segments, decoded), query, headers, body (JSON, or none)."""

    def __init__(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        self.method = handler.command
        self.path = tuple(urllib.parse.unquote(part) for part in url.path.split("/")[1:])
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.headers = handler.headers
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        try:
            self.body = json.loads(body) if body else None
        except ValueError as error:
            raise Refused(400, f"the body is not JSON: {error}") from error


class Answer:
    """What is answered: JSON, unless it says another type."""

    def __init__(self, body, status=200, content_type="application/json", headers=()):
        self.status = status
        self.headers = [("content-type", content_type), *headers]
        if isinstance(body, bytes):
            self.body = body
        elif isinstance(body, str):
            self.body = body.encode()
        else:
            self.body = json.dumps(body).encode()


def serve(answer, port=0):
    """Serves `answer(request) -> Answer` on loopback; gives the port. To be called on a running event loop."""
    loop = asyncio.get_running_loop()

    async def on_loop(request):
        return answer(request)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self):
            try:
                request = Request(self)
                made = asyncio.run_coroutine_threadsafe(on_loop(request), loop).result(30)
            except Refused as refused:
                made = Answer({"error": str(refused)}, refused.status)
            except (ValueError, KeyError, TypeError) as error:
                made = Answer({"error": f"{type(error).__name__}: {error}"}, 400)
            self.send_response(made.status)
            for name, value in made.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        do_GET = do_PUT = do_DELETE = do_POST = _any

        def log_message(self, *_):
            """Nothing: what was asked can be asked for."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]

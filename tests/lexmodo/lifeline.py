"""Ends a server when the test that started it does."""

import asyncio
import json
import os
import sys
import threading


def ready(facts):
    """Prints the one line that says that all is ready."""
    print(json.dumps(facts), flush=True)


async def until_standard_input_ends():
    """Waits until the other end of standard input is no more."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read():
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()

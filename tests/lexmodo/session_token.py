"""Prints session tokens made by PyJWT, as the platform makes them.

    python session_token.py <<< '[{"claims": {"store_id": 7, ...}, "secret": "...", "algorithm": "HS256", "headers": {}}]'

Standard input has one description or a list of them; printed is a JSON list of tokens, in their order. `algorithm` is
HS256 if it is not said, and `none` leaves the signature out; `headers` may be left out. With `"raw": "text"` instead of
`claims`, the payload is that text, be it JSON or not. Nothing is checked or added: no `exp`, no `iss`.
"""

import json
import sys

import jwt
from jwt.api_jws import PyJWS


def session_token(description):
    """One token."""
    algorithm = description.get("algorithm", "HS256")
    payload = description["raw"] if "raw" in description else json.dumps(description["claims"])
    # By PyJWS, because jwt.encode has an opinion on some claims and would not make what must be refused.
    key = description.get("secret", "") if algorithm != "none" else None
    options = {"enforce_minimum_key_length": False}
    return PyJWS(options=options).encode(payload.encode(), key, algorithm, headers=description.get("headers"))


def main():
    """Reads descriptions, prints tokens."""
    asked = json.load(sys.stdin)
    print(json.dumps([session_token(each) for each in (asked if isinstance(asked, list) else [asked])]))


if __name__ == "__main__":
    main()

"""Prints session tokens made by PyJWT, as the platform makes them.

    python session_token.py <<< '[{"claims": {"store_id": 7, ...}, "secret": "...", "algorithm": "HS256", "headers": {}}]'

Standard input has one description or a list of them; printed is a JSON list of tokens, in their order. `algorithm` is
HS256 if it is not said, and `none` leaves the signature out; `headers` may be left out. With `"raw": "text"` instead of
`claims`, the payload is that text, be it JSON or not. Nothing is checked or added: no `exp`, no `iss`.
"""

import json
import sys
import warnings

import jwt
from jwt.warnings import InsecureKeyLengthWarning


def session_token(description):
    """One token."""
    algorithm = description.get("algorithm", "HS256")
    key = None if algorithm == "none" else description["secret"]
    headers = description.get("headers")
    # Tests have short secrets too, because others may.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        if "raw" in description:
            return jwt.PyJWS().encode(description["raw"].encode(), key, algorithm, headers)
        return jwt.encode(description["claims"], key, algorithm, headers)


def main():
    """Reads descriptions, prints tokens."""
    asked = json.load(sys.stdin)
    print(json.dumps([session_token(each) for each in (asked if isinstance(asked, list) else [asked])]))


if __name__ == "__main__":
    main()

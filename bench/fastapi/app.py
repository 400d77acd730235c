"""The first leg of a Google consent, as a FastAPI app has it: what Jackfield is measured beside.

It authenticates an HS256 session token, and gives the authorization URL with PKCE (S256), a state of 256 random bits and
a verifier of as many. With STATE=stored the state is a row of SQLite that ends after ten minutes. With STATE=sealed the
flow travels in the state itself, sealed with AES-256-GCM, as Jackfield has it, and nothing is written.

It is written for speed within what FastAPI is: one asynchronous handler, no thread per request, SQLite in WAL mode
without an fsync for each commit, settings read once.
"""

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import time
from typing import Annotated
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

JWT_SECRET = os.environ["JWT_SECRET"]
CLIENT_ID = os.environ["GOOGLE_CLIENT_ID"]
REDIRECT_URI = os.environ["GOOGLE_REDIRECT_URI"]
IS_STORED = os.environ["STATE"] == "stored"
AUTHORIZATION_URL = "https://accounts.google.com/o/oauth2/v2/auth"
SCOPES = "openid email profile"
STATE_LIFETIME = 600  # seconds

app = FastAPI()
bearer = HTTPBearer()
sealing = AESGCM(AESGCM.generate_key(bit_length=256))
database = sqlite3.connect(os.environ["DATABASE_PATH"], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = NORMAL")
database.execute(
    "CREATE TABLE IF NOT EXISTS oauth_state (state TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_email TEXT NOT NULL, "
    "provider TEXT NOT NULL, verifier TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID"
)


class AuthUrl(BaseModel):
    success: bool
    provider: str
    auth_url: str
    state: str


# Asynchronous, or FastAPI would have each call made by a thread of its pool.
async def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict:
    try:
        return jwt.decode(
            credentials.credentials, JWT_SECRET, algorithms=["HS256"], options={"require": ["sub", "exp"]}
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(status_code=401, detail="invalid token") from error


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def stored(claims: dict, verifier: str, expires_at: int) -> str:
    state = secrets.token_urlsafe(32)
    database.execute(
        "INSERT INTO oauth_state VALUES (?, ?, ?, ?, ?, ?)",
        (state, claims["tenantId"], claims["email"], "google", verifier, expires_at),
    )
    return state


def sealed(claims: dict, verifier: str, expires_at: int) -> str:
    flow = {
        "id": secrets.token_urlsafe(16), "tenant": claims["tenantId"], "user_email": claims["email"],
        "actor": claims["sub"], "provider": "google", "verifier": verifier, "expires_at": expires_at,
    }
    nonce = os.urandom(12)
    return base64url(nonce + sealing.encrypt(nonce, json.dumps(flow).encode(), b"google"))


@app.get("/health")
async def health() -> dict:
    return {"status": "ok"}


@app.get("/api/v1/unified/auth/google/url")
async def url(claims: Annotated[dict, Depends(caller)]) -> AuthUrl:
    verifier = secrets.token_urlsafe(32)
    expires_at = int(time.time()) + STATE_LIFETIME
    state = (stored if IS_STORED else sealed)(claims, verifier, expires_at)
    query = urlencode({
        "access_type": "offline",
        "prompt": "consent",
        "login_hint": claims["email"],
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPES,
        "state": state,
        "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    })
    return AuthUrl(success=True, provider="google", auth_url=f"{AUTHORIZATION_URL}?{query}", state=state)

#!/usr/bin/env python3
"""Mints an instruction cookie: FARM_KEY_ID=k1 FARM_KEY=... ./mint.py farm=app member=app1 exp=$(($(date +%s) + 600))

Set it with Path=/; HttpOnly; Secure; SameSite=Lax, in Flask:
    response.set_cookie("farm", value, path="/", httponly=True, secure=True, samesite="Lax")
KID and KEY are a line KID:KEY of FarmSecretFile. No file with a key is ever to be in the web root.
"""
import base64, hashlib, hmac, os, sys
from urllib.parse import urlencode


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def mint(kid, key, fields):
    """fields: a dict or pairs, such as {"farm": "app", "to": "gold", "exp": int(time.time()) + 600}"""
    signed = f"v1.{kid}.{base64url(urlencode(fields, safe='*').encode('ascii'))}"
    return f"{signed}.{base64url(hmac.new(key.encode('ascii'), signed.encode('ascii'), hashlib.sha256).digest())}"


if __name__ == "__main__":
    kid, key = os.environ.get("FARM_KEY_ID"), os.environ.get("FARM_KEY")
    if not kid or not key or not all("=" in argument for argument in sys.argv[1:]):
        sys.exit("usage: FARM_KEY_ID=KID FARM_KEY=KEY mint.py name=value ...")
    print(mint(kid, key, [tuple(argument.split("=", 1)) for argument in sys.argv[1:]]))

"""Wrong FarmSet lines."""

import pytest

from farmhttpd.badconf import check_accepted, check_refused

BAD_SETS = {
    "nothing": ("", ""),
    "key unknown": ("wibble=1", "maxattempts.*retryon"),
    "word without a value": ("fall", "="),
    "maxattempts a letter": ("maxattempts=x", "maxattempts"),
    "maxattempts negative": ("maxattempts=-1", "maxattempts"),
    "maxattempts zero": ("maxattempts=0", "maxattempts"),
    "maxattempts empty": ("maxattempts=", "maxattempts"),
    "fall a letter": ("fall=x", "fall"),
    "fall zero": ("fall=0", "fall"),
    "fall negative": ("fall=-3", "fall"),
    "fall with a tail": ("fall=3x", "fall"),
    "retry a letter": ("retry=x", "retry.*(ms|s|min)"),
    "retry negative": ("retry=-1", "retry"),
    "retry with an unknown unit": ("retry=5parsecs", "retry"),
    "retryon unknown": ("retryon=always", "connect.*safe"),
    "failontimeout unknown": ("failontimeout=maybe", "on.*off"),
    "failonstatus a letter": ("failonstatus=x", "failonstatus.*50"),
    "failonstatus too small": ("failonstatus=99", "failonstatus"),
    "failonstatus too large": ("failonstatus=700", "failonstatus"),
    "failonstatus with a tail": ("failonstatus=502,503x", "failonstatus"),
    "failonstatus empty": ("failonstatus=", "failonstatus"),
    "one right, one wrong": ("fall=2 wibble=1", "maxattempts"),
    "stickyttl too short": ("stickyttl=9s", "stickyttl.*10s"),
    "stickyttl a letter": ("stickyttl=x", "stickyttl"),
    "stickyttl empty": ("stickyttl=", "stickyttl"),
    "passcookie unknown": ("passcookie=maybe", "on.*off"),
    "passcookie empty": ("passcookie=", "passcookie"),
    "samesite unknown": ("samesite=on", "lax.*strict.*none"),
    "samesite empty": ("samesite=", "samesite"),
    "cacheties unknown": ("cacheties=public", "no-cache.*private"),
    "cacheties empty": ("cacheties=", "cacheties"),
}


@pytest.mark.parametrize("words, remedy", BAD_SETS.values(), ids=BAD_SETS.keys())
def test_012_01_wrong_set(httpd, words, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, f"<Farm app>\nFarmMember http://127.0.0.1:1\n! FarmSet {words}\n</Farm>", remedy)


@pytest.mark.parametrize("words", [
    "maxattempts=1", "maxattempts=10", "retryon=connect", "retryon=safe", "fall=1", "fall=100", "retry=500ms",
    "retry=10s", "retry=1min", "retry=30", "failonstatus=503", "failonstatus=500,502,503,504", "failontimeout=on",
    "failontimeout=off", "stickyttl=10s", "stickyttl=1h", "stickyttl=87600h", "passcookie=on",
    "passcookie=off stickyttl=30min", "samesite=lax", "samesite=STRICT", "samesite=none", "cacheties=no-cache", "cacheties=private",
    "maxattempts=2 retryon=safe fall=3 retry=2s failonstatus=503 failontimeout=on",
])
def test_012_02_right_set(httpd, words):
    """Contract: FarmSet's keys and values as documented."""
    check_accepted(httpd, f"<Farm app>\nFarmMember http://127.0.0.1:1\nFarmSet {words}\n</Farm>")

"""FarmRedirect: what a client gets when the farm cannot serve, by the farm's condition."""

import pytest

from farmhttpd.fallback import CONDITIONS, Fallbacks, log_line, manage
from farmhttpd.update import push

STATUSES = [301, 302, 303, 307, 308]


def redirected(response, status, location):
    assert (response.status, response.all("Location")) == (status, [location]), (response.status, response.headers)
    assert response.get("Retry-After") is None


def refused(response, seconds):
    assert response.status == 503, response
    assert (response.get("Location"), response.all("Retry-After")) == (None, [str(seconds)]), response.headers


def test_350_01_every_condition_and_status(httpd):
    """Contract: "in that condition the client is redirected (STATUS 301, 302, 303, 307 or 308; default 302)"."""
    farms = Fallbacks(httpd)
    for condition in CONDITIONS:
        for status in ("", *STATUSES):
            name = f"{condition}{status}"
            farms.farm(condition, f"FarmRedirect {condition} http://sorry.test/{name} {status}", name=name)
    with farms.settled():
        for name in farms.made:
            status = int(name[-3:]) if name[-1].isdigit() else 302
            redirected(httpd.get(f"/{name}/x"), status, f"http://sorry.test/{name}")
        counts = {farm["name"]: (farm["redirected"], farm["forwarded"]) for farm in httpd.status()["farms"]}
        assert counts == {name: (1, 0) for name in farms.made}
    assert farms.member.connections == 0


def test_350_02_another_condition(httpd):
    """Contract: "in *that* condition": another farm's line of another condition changes nothing."""
    farms = Fallbacks(httpd)
    for condition in CONDITIONS:
        others = [f"FarmRedirect {other} http://sorry.test/" for other in CONDITIONS if other != condition]
        farms.farm(condition, *others)
    farms.farm("ok", "FarmRedirect any http://sorry.test/", name="fine")
    httpd.log.expect("proxy_farm:error")
    with farms.settled():
        for condition in CONDITIONS:
            response = httpd.get(f"/{condition}/x")
            assert (response.status, response.get("Location")) == (503, None)
        assert httpd.get("/fine/x").member == "m"
        assert {farm["redirected"] for farm in httpd.status()["farms"]} == {0}


def test_350_03_any(httpd):
    """Contract: "offline|down|full|any"; "the one for the condition itself goes before `any`", wherever it stands."""
    farms = Fallbacks(httpd)
    for condition in CONDITIONS:
        own, anyway = f"FarmRedirect {condition} http://own.test/ 307", "FarmRedirect any http://any.test/"
        farms.farm(condition, anyway, name=f"{condition}-any")
        farms.farm(condition, own, anyway, name=f"{condition}-first")
        farms.farm(condition, anyway, own, name=f"{condition}-last")
    with farms.settled():
        for condition in CONDITIONS:
            redirected(httpd.get(f"/{condition}-any/x"), 302, "http://any.test/")
            redirected(httpd.get(f"/{condition}-first/x"), 307, "http://own.test/")
            redirected(httpd.get(f"/{condition}-last/x"), 307, "http://own.test/")


# What stands for {at} is the path that the farm is mounted at.
EXPRESSIONS = [
    ("https://sorry.test%{REQUEST_URI}", "x/y?a=b", "https://sorry.test{at}/x/y"),
    ("https://sorry.test/?was=%{QUERY_STRING}", "x?a=b&c=%2F%2525", "https://sorry.test/?was=a=b&c=%2F%2525"),
    ("https://%{HTTP_HOST}:8443%{REQUEST_URI}?%{QUERY_STRING}", "x?q", "https://front.test:8443{at}/x?q"),
    ("https://sorry.test%{escape:%{REQUEST_URI}}", "a%20b", "https://sorry.test{at}/a%20b"),
    ("https://sorry.test%{REQUEST_URI}", "a%C3%A4", "https://sorry.test{at}/a\xc3\xa4"),
    ("%{HTTP:X-To}", "x", "https://by.header.test/?x=1"),
    ("/sorry.html", "x", "/sorry.html"),
    ("https://sorry.test/%{reqenv:FARM_CONDITION}", "x", "https://sorry.test/down"),
    ("https://sorry.test/%{reqenv:FARM_NAME}", "x", "https://sorry.test{at}"),
]


def test_350_04_expressions(httpd):
    """Contract: "URL is an ap_expr string", evaluated for this request; Location is sent as it comes out; the farm's
    environment is there for expressions."""
    farms = Fallbacks(httpd)
    for n, (expression, _, _) in enumerate(EXPRESSIONS):
        farms.farm("down", f'FarmRedirect down "{expression}"', name=f"e{n}")
    httpd.conf.add("RewriteEngine On", 'RewriteRule "^/other$" "http://e0/x" [P]')
    with farms.settled():
        for n, (_, target, location) in enumerate(EXPRESSIONS):
            response = httpd.get(f"/e{n}/{target}", host="front.test", headers={"X-To": "https://by.header.test/?x=1"})
            redirected(response, 302, location.replace("{at}", f"/e{n}"))
        redirected(httpd.get("/other?a"), 302, "https://sorry.test/other")


BAD_VALUES = {
    "line feed": "x%0aSet-Cookie:%20leak=1", "carriage return": "x%0d%0aSet-Cookie:%20leak=1", "bell": "%07",
    "tab": "x%09y", "delete": "x%7f",
}


@pytest.mark.parametrize("value", [*BAD_VALUES, "header missing", "failing"])
def test_350_05_expression_that_gives_no_url(httpd, value):
    """Contract: an expression that fails, or gives an empty text or control characters, is a 503 and a line in the log:
    never a header that the client has written."""
    farms = Fallbacks(httpd)
    expression = "%{file:/no/such/file}" if value == "failing" else "%{unescape:%{HTTP:X-To}}"
    farms.farm("down", f'FarmRedirect down "{expression}"')
    httpd.log.expect("proxy_farm:")
    with farms.settled():
        before = len(httpd.log.lines("proxy_farm:(warn|error)"))
        headers = {"X-To": BAD_VALUES[value]} if value in BAD_VALUES else {}
        response = httpd.get("/down/x", headers=headers)
        assert (response.status, response.get("Location"), response.get("Set-Cookie")) == (503, None, None)
        said = httpd.log.lines("proxy_farm:(warn|error)")[before:]
        assert any("down" in line and "FarmRedirect" in line for line in said), said
        assert httpd.farm_status("down")["redirected"] == 0
        if expression.startswith("%{unescape"):
            redirected(httpd.get("/down/x", headers={"X-To": "http://fine.test/%2541"}), 302, "http://fine.test/%41")


def test_350_06_control_characters_of_the_path(httpd):
    """Contract: the same for what httpd has decoded from the path."""
    farms = Fallbacks(httpd).farm("down", 'FarmRedirect down "http://sorry.test%{REQUEST_URI}"')
    httpd.log.expect("proxy_farm:", r"AH10244|AH00026|AH1041\d|AH10508")
    with farms.settled():
        for path in ("a%0d%0aSet-Cookie:leak=1", "a%0ab", "a%01b"):
            response = httpd.get(f"/down/{path}")
            assert response.status >= 400 and response.get("Location") is None
            assert response.get("Set-Cookie") is None
        redirected(httpd.get("/down/ab"), 302, "http://sorry.test/down/ab")


RETRY_AFTER = [("7", "", 7), ("86400", "FarmSet retry=5s", 86400), ("1", "", 1), ("", "", 10), ("", "FarmSet retry=500ms", 1),
               ("", "FarmSet retry=1500ms", 2), ("", "FarmSet retry=2min", 120)]


def test_350_07_retry_after(httpd):
    """Contract: "With `-` for URL: no redirect but `503 [SECONDS]` with Retry-After"; without SECONDS it is `FarmSet
    retry=`, in whole seconds, rounded up."""
    farms = Fallbacks(httpd)
    for n, (seconds, directive, _) in enumerate(RETRY_AFTER):
        for condition in CONDITIONS:
            farms.farm(condition, f"FarmRedirect {condition} - 503 {seconds}", directive or "# nothing",
                       name=f"{condition}{n}")
    httpd.log.expect("proxy_farm:error")
    with farms.settled():
        for n, (_, _, seconds) in enumerate(RETRY_AFTER):
            for condition in CONDITIONS:
                refused(httpd.get(f"/{condition}{n}/x"), seconds)
        assert {(farm["redirected"], farm["forwarded"]) for farm in httpd.status()["farms"]} == {(0, 0)}
        assert log_line(httpd, "/full0/x")["condition"] == "full"


def test_350_08_error_document(httpd):
    """What an httpd administrator expects: the 503 has the ErrorDocument there is, a file or a farm's, as any other 503 of
    httpd has it; and its Retry-After."""
    farms = Fallbacks(httpd).farm("offline", "FarmRedirect offline - 503 7")
    farms.farm("down", "FarmRedirect any - 503 8").farm("ok", name="fine")
    (httpd.root / "htdocs" / "sorry.html").write_text("our own page")
    httpd.conf.add('<Location "/offline/">', "ErrorDocument 503 /sorry.html", "</Location>",
                   '<LocationMatch "^/(down|stock)/">', "ErrorDocument 503 /fine/sorry", "</LocationMatch>",
                   'Redirect 503 "/stock/"')
    with farms.settled(), httpd.client() as client:
        response = client.request("/offline/x")
        refused(response, 7)
        assert response.body == b"our own page"
        farm, stock = client.request("/down/x"), client.request("/stock/x")
        assert (farm.status, farm.member, farm.json["target"]) == (stock.status, stock.member, stock.json["target"])
        assert farm.all("Retry-After") == ["8"] and farm.json["target"] == "/sorry"
        assert client.request("/fine/x").status == 200


def test_350_09_access_log(httpd):
    """Contract: "Set on each request a farm handled": FARM_NAME and FARM_CONDITION also where nobody served."""
    farms = Fallbacks(httpd)
    for condition in CONDITIONS:
        farms.farm(condition, "FarmRedirect any http://sorry.test/ 303")
        farms.farm(condition, "FarmRedirect any - 503 3", name=f"{condition}-no")
    httpd.log.expect("proxy_farm:error")
    with farms.settled():
        for name, condition in farms.made.items():
            response = httpd.get(f"/{name}/x", method="POST", body=b"x")
            status = 503 if name.endswith("-no") else 303
            assert response.status == status
            line = log_line(httpd, f"/{name}/x")
            assert (line["status"], line["method"], line["farm"], line["condition"]) == (status, "POST", name, condition)
            assert line["member"] == "-" and line["attempts"] in ("0", "-")


def test_350_10_back_and_away_again(httpd):
    """Contract: "in that condition": as soon as a member is available it serves, and when it goes clients are redirected
    again; "`redirected`" and "`requests`" of the status count."""
    httpd.farm(httpd.member("a"), "FarmRedirect down http://down.test/", "FarmRedirect offline http://offline.test/ 307")
    httpd.conf.handler("farm-update").handler("farm-manager")
    httpd.start()
    for round in range(1, 3):
        assert httpd.get("/app/x").member == "a"
        push(httpd, "farm=app&member=a&health=down")
        redirected(httpd.get("/app/x"), 302, "http://down.test/")
        for admin in ("off", "drain"):
            manage(httpd, farm="app", member="a", admin=admin)
            redirected(httpd.get("/app/x"), 307, "http://offline.test/")
        manage(httpd, farm="app", member="a", admin="on")
        push(httpd, "farm=app&member=a&health=up")
        for admin in ("off", "drain"):
            manage(httpd, farm="app", admin=admin)
            redirected(httpd.get("/app/x"), 307, "http://offline.test/")
        manage(httpd, farm="app", admin="on")
        farm = httpd.farm_status()
        assert (farm["requests"], farm["redirected"]) == (6 * round, 5 * round)


def test_350_11_location_is_not_mapped_back(httpd):
    """Contract: Location is sent as the expression gives it: ProxyPassReverse is for what members say."""
    farms = Fallbacks(httpd)
    farms.farm("down", f"FarmRedirect down {farms.member.url}/sorry")
    farms.farm("offline", "FarmRedirect offline http://offline/sorry")
    httpd.conf.add('ProxyPassReverse "/down/" "http://down/"', 'ProxyPassReverse "/offline/" "http://offline/"')
    with farms.settled():
        redirected(httpd.get("/down/x"), 302, f"{farms.member.url}/sorry")
        redirected(httpd.get("/offline/x"), 302, "http://offline/sorry")


def test_350_12_virtual_hosts_and_schemes(httpd):
    """Contract: a farm is the same for every way mod_proxy maps a request to it, in each virtual host, by any scheme."""
    httpd.conf.load("proxy_fcgi", "proxy_ajp", "proxy_wstunnel")
    farms = Fallbacks(httpd).farm("offline", 'FarmRedirect offline "http://sorry.test%{REQUEST_URI}"')
    for scheme in ("fcgi", "ajp", "ws", "https"):
        httpd.conf.proxy(f"/{scheme}/", f"{scheme}://offline/")
    httpd.conf.add(f"<VirtualHost 127.0.0.1:{httpd.port}>", "ServerName first.test", "</VirtualHost>",
                   f"<VirtualHost 127.0.0.1:{httpd.port}>", "ServerName two.test", 'ProxyPass "/" "http://offline/"',
                   "</VirtualHost>", f"<VirtualHost 127.0.0.1:{httpd.port}>", "ServerName three.test",
                   *[line for line in httpd.conf.body if line.startswith("ProxyPass")], "</VirtualHost>")
    with farms.settled():
        redirected(httpd.get("/a/b", host="two.test"), 302, "http://sorry.test/a/b")
        for path in ("/offline/", "/fcgi/", "/ajp/", "/ws/", "/https/"):
            redirected(httpd.get(f"{path}x", host="three.test"), 302, f"http://sorry.test{path}x")
    assert farms.member.connections == 0

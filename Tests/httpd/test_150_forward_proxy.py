"""A client cannot choose a farm: farms serve reverse-proxied requests only."""

import pytest

from farmhttpd import client

NAMING_A_FARM = [
    b"GET http://app/x HTTP/1.1\r\nHost: app",
    b"GET http://APP/x HTTP/1.1\r\nHost: app",
    b"GET http://app/ HTTP/1.0",
    b"GET http://app HTTP/1.1\r\nHost: app",
    b"GET http://app:80/x HTTP/1.1\r\nHost: app",
    b"GET http://user:pw@app/x HTTP/1.1\r\nHost: app",
    b"POST http://app/x HTTP/1.1\r\nHost: app\r\nContent-Length: 0",
    b"GET unix:/x|http://app/ HTTP/1.1\r\nHost: app",
    b"GET unix:/x%7Chttp://app/ HTTP/1.1\r\nHost: app",
    b"GET UNIX:/x|http://app/x HTTP/1.1\r\nHost: x",
    b"GET http://unix:/x|http://app/ HTTP/1.1\r\nHost: x",
    b"GET proxy:http://app/x HTTP/1.1\r\nHost: app",
    b"GET balancer://app/x HTTP/1.1\r\nHost: app",
    b"GET fcgi://app/x HTTP/1.1\r\nHost: app",
    b"GET ws://app/x HTTP/1.1\r\nHost: app",
    b"CONNECT app:80 HTTP/1.1\r\nHost: app:80",
    b"CONNECT app HTTP/1.1\r\nHost: app",
    b"GET //app/x HTTP/1.1\r\nHost: app",
    b"GET /x HTTP/1.1\r\nHost: app",
    b"GET /proxy:http://app/x HTTP/1.1\r\nHost: app",
    b"GET /?unix:/x|http://app/ HTTP/1.1\r\nHost: x",
    b"GET * HTTP/1.1\r\nHost: app",
]
NOISE = r"\[(proxy|core|proxy_http|proxy_connect|rewrite):"


@pytest.mark.parametrize("forward", ["On", "Off"])
@pytest.mark.parametrize("line", NAMING_A_FARM, ids=lambda line: line.split(b"\r")[0].decode())
def test_150_01_request_line_that_names_a_farm(httpd, line, forward):
    """Contract: "with ProxyRequests On, a client that names a farm's host gets nowhere near it"."""
    a = httpd.member("a")
    httpd.conf.load("proxy_connect").farm("app", a)
    httpd.conf.add(f"ProxyRequests {forward}", '<Proxy "*">', "Require all granted", "</Proxy>")
    httpd.log.expect(NOISE)
    httpd.start()
    client.raw(httpd.port, line + b"\r\nConnection: close\r\n\r\n")
    assert a.connections == 0
    assert httpd.farm_status()["requests"] == 0


@pytest.mark.parametrize("line", NAMING_A_FARM, ids=lambda line: line.split(b"\r")[0].decode())
def test_150_02_beside_a_reverse_proxy(httpd, line):
    """Contract: "an absolute or `unix:` URI in the request line that names a farm (must not let a client choose
    one)"."""
    a, b = httpd.three("a", "b")
    httpd.conf.load("proxy_connect").farm("app", a)
    httpd.conf.proxy(httpd.conf.status_location, "!").proxy("/", f"{b.url}/").add("ProxyRequests Off")
    httpd.log.expect(NOISE)
    httpd.start()
    client.raw(httpd.port, line + b"\r\nConnection: close\r\n\r\n")
    assert a.connections == 0
    assert httpd.farm_status()["requests"] == 0


@pytest.mark.parametrize("forward", ["On", "Off"])
def test_150_03_reverse_and_forward_together(httpd, forward):
    """Contract: with ProxyRequests On, reverse-proxied requests are the farm's as ever."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.add(f"ProxyRequests {forward}", '<Proxy "*">', "Require all granted", "</Proxy>")
    httpd.log.expect(NOISE)
    httpd.start()
    assert httpd.get("/app/x").member == "a"
    client.raw(httpd.port, b"GET http://app/x HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
    assert a.count == 1
    assert httpd.get("/app/y").member == "a"


@pytest.mark.parametrize("path", ["?unix:/x|http://other/", f"?unix:{'A' * 5000}|http://other/",
                                  "unix:/x%7Chttp://o/", "x?http://app/", "@other/", ":8080/"])
def test_150_04_mapped_paths_stay_in_the_farm(httpd, path):
    """Contract: "must not let a client choose": what follows the farm's name in the mapped URL is only a path."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    httpd.start()
    farm, plain = httpd.get(f"/app/{path}"), httpd.get(f"/plain/{path}")
    assert farm.status == plain.status
    if plain.status == 200:
        assert farm.json["target"] == plain.json["target"]


def test_150_05_pattern_that_lets_the_host_through(httpd):
    """Contract: "If the host of the resulting URL names a farm": "app.evil.test" and "user@app" do not name app."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    httpd.conf.add("RewriteEngine On", 'RewriteRule "^/h/(.*)$" "http://$1" [P]')
    httpd.log.expect(NOISE)
    httpd.start()
    for name in ("app.invalid", "xapp", "appx", "app:1", "[app]", "app%00", "app%2F", "app%40x.invalid"):
        assert httpd.get(f"/h/{name}/x").status >= 400, name
    assert a.count == 0
    assert httpd.get("/h/app/x").member == "a"

"""Members report their load in a header of their answers, which no client ever sees."""

import pytest

from farmhttpd import client, members, wait
from farmhttpd.members import answer
from farmhttpd.update import ask, error_of, tell

HEADER = "Endpoint-Load-Metrics"

RIGHT = {
    "text": ("TEXT cpu_utilization=0.3, named_metrics.db=12", {"cpu_utilization": 0.3, "db": 12}),
    "text without blanks": ("TEXT cpu_utilization=0.3,mem_utilization=0.8,eps=2",
                            {"cpu_utilization": 0.3, "mem_utilization": 0.8, "eps": 2}),
    "text, all known names": ("TEXT cpu_utilization=1.5,mem_utilization=0.8,application_utilization=0.5,"
                              "rps_fractional=100.25,eps=2",
                              {"cpu_utilization": 1.5, "mem_utilization": 0.8, "application_utilization": 0.5,
                               "rps_fractional": 100.25, "eps": 2}),
    "text, utilization of a resource": ("TEXT utilization.disk=0.5", {"utilization.disk": 0.5}),
    "text, one": ("TEXT cpu_utilization=1", {"cpu_utilization": 1}),
    "text without prefix": ("cpu_utilization=0.25,named_metrics.q=3", {"cpu_utilization": 0.25, "q": 3}),
    "text, numbers of all forms": ("TEXT named_metrics.a=-12, named_metrics.b=.5, named_metrics.c=1e3",
                                   {"a": -12, "b": 0.5, "c": 1000}),
    "text, blanks around": ("  TEXT   cpu_utilization=0.3 ,  eps=1  ", {"cpu_utilization": 0.3, "eps": 1}),
    "json": ('JSON {"cpu_utilization": 0.3, "named_metrics": {"db": 12}}', {"cpu_utilization": 0.3, "db": 12}),
    "json without blanks": ('JSON {"cpu_utilization":0.3,"mem_utilization":0.8,"application_utilization":0.5,'
                            '"rps_fractional":100.25,"eps":2}',
                            {"cpu_utilization": 0.3, "mem_utilization": 0.8, "application_utilization": 0.5,
                             "rps_fractional": 100.25, "eps": 2}),
    "json without prefix": ('{"cpu_utilization": 0.25, "utilization": {"disk": 0.5, "net": 0.75}}',
                            {"cpu_utilization": 0.25, "utilization.disk": 0.5, "utilization.net": 0.75}),
    "json, numbers of all forms": ('{"named_metrics": {"a": -12, "b": 0.5, "c": 1e3, "d": 1.5E-3, "e": 0}}',
                                   {"a": -12, "b": 0.5, "c": 1000, "d": 0.0015, "e": 0}),
    "json, blanks": ('JSON  { "named_metrics" :\t{ "a" : 1 , "b":2 } , "eps" : 3 }  ', {"a": 1, "b": 2, "eps": 3}),
    "json, escape in a name": (r'{"named_metrics": {"\u0064b": 12}}', {"db": 12}),
}

# Nothing of these can be read.
WRONG = {
    "empty": "",
    "prefix only": "TEXT",
    "prefix and a blank": "TEXT ",
    "text without a value": "TEXT cpu_utilization",
    "text with an empty value": "TEXT cpu_utilization=",
    "text with a word": "TEXT cpu_utilization=high",
    "text with nan": "TEXT cpu_utilization=nan",
    "text with inf": "TEXT cpu_utilization=inf",
    "text beyond finite": "TEXT cpu_utilization=1e999",
    "text without a name": "TEXT =1",
    "text with a bad name": "TEXT 1cpu=1",
    "text with a named nothing": "TEXT named_metrics.=1",
    "text with a name of 33": f"TEXT named_metrics.{'x' * 33}=1",
    "text with a verdict": "TEXT health=down",
    "json prefix only": "JSON",
    "json open": "JSON {",
    "json cut": '{"cpu_utilization": 0.3',
    "json without a value": '{"cpu_utilization": }',
    "json and more": '{"cpu_utilization": 0.3} x',
    "json list": 'JSON ["cpu_utilization", 0.3]',
    "json number": "JSON 0.3",
    "json bare names": "{cpu_utilization: 0.3}",
    "json beyond finite": '{"cpu_utilization": 1e999}',
    "json nan": '{"cpu_utilization": NaN}',
    "json deep": "JSON " + '{"named_metrics":' * 200 + "1" + "}" * 200,
    "json open very often": "{" * 4000,
    "json lists very deep": '{"a":' + "[" * 4000,
    "json escape cut": '{"cpu\\u00": 1}',
    "json name of 33": '{"named_metrics": {"%s": 1}}' % ("x" * 33),
    "json control character": '{"named_metrics": {"a\tb": 1}}',
    "binary form": "BIN CZqZmZmZmck/",
    "unknown prefix": "XML <cpu>0.3</cpu>",
    "odd bytes": "\xff\xfe=1",
    "long": "x" * 7000,
    "long number": "TEXT cpu_utilization=" + "9" * 7000,
}


def reporting(*values, status="200 OK", name=HEADER):
    return answer(status, headers=[(name, value) for value in values])


def reporter(httpd, *lines, on="FarmReport on"):
    a = httpd.member("a")
    httpd.farm(a, on, *lines)
    httpd.conf.handler("farm-update")
    return a


def bad_reports(httpd, name="a", farm="app"):
    return httpd.rows(farm)[name]["bad_reports"]


@pytest.mark.both_mpms
def test_650_01_report(httpd):
    """Contract: "Response header `Endpoint-Load-Metrics: TEXT cpu_utilization=0.3, named_metrics.db=12` … does the same for
    the member that answered, with FarmReport on"; "take metrics … and remove it"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmReport on", "FarmAlgorithm roundrobin", 'FarmLoad "cpu_utilization * 2"')
    a.always(reporting("TEXT cpu_utilization=0.3, named_metrics.db=12"))
    httpd.start()
    for _ in range(6):
        response = httpd.get("/app/x")
        assert response.status == 200 and response.get(HEADER) is None
    assert a.count and b.count
    rows = httpd.rows()
    assert rows["a"]["metrics"] == {"cpu_utilization": 0.3, "db": 12}
    assert rows["a"]["load"] == pytest.approx(0.6)
    assert rows["a"]["update_age_s"] is not None and rows["a"]["bad_reports"] == 0
    assert (rows["b"]["metrics"], rows["b"]["load"], rows["b"]["update_age_s"]) == ({}, None, None)


def test_650_02_every_form(httpd):
    """Contract: "or its JSON form (the Open Request Cost Aggregation format; without a prefix, JSON if it starts with `{`)";
    "`named_metrics.db` is stored as `db`; other names as they stand"."""
    a = httpd.member("a")
    for n in range(len(RIGHT)):
        httpd.conf.farm(f"f{n}", a, "FarmReport on").proxy(f"/f{n}/", f"http://f{n}/")
    httpd.conf.add("FarmTable metrics=64")
    httpd.start()
    wrong = []
    for n, (name, (text, stored)) in enumerate(RIGHT.items()):
        a.next(reporting(text))
        assert httpd.get(f"/f{n}/x").get(HEADER) is None, name
        row = httpd.rows(f"f{n}")["a"]
        if (row["metrics"], row["bad_reports"]) != (stored, 0) or row["update_age_s"] is None:
            wrong.append((name, text, row["metrics"], row["bad_reports"], stored))
    assert wrong == [], "name, header, stored, bad_reports, expected"


def test_650_03_what_cannot_be_read(httpd):
    """Contract: "What cannot be read is counted, ignored, and removed all the same"."""
    a = reporter(httpd)
    httpd.start()
    children, problems = httpd.wait_for_children(2), []
    for name, text in WRONG.items():
        before = httpd.rows()["a"]
        a.next(reporting(text))
        response = httpd.get("/app/x")
        row = httpd.rows()["a"]
        if response.status != 200 or response.get(HEADER) is not None:
            problems.append(f"{name}: {response.status}, {response.get(HEADER)!r}")
        if (row["metrics"], row["health"], row["errors"]) != (before["metrics"], "up", 0):
            problems.append(f"{name}: {row['metrics']}, {row['health']}, {row['errors']}")
        if row["bad_reports"] <= before["bad_reports"]:
            problems.append(f"{name}: not counted")
    assert not problems, "\n".join(problems)
    assert set(children) <= set(httpd.children())
    assert httpd.rows()["a"]["update_age_s"] is None
    a.next(reporting("TEXT cpu_utilization=0.5"))
    httpd.get("/app/x")
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.5}


def test_650_04_last_values_stay(httpd):
    """Contract: a report "does the same" as an update: a metric left out keeps its last value, and so does one that a later
    report spoils."""
    a = reporter(httpd)
    httpd.start()
    for text in ("TEXT cpu_utilization=0.5,eps=1", "TEXT eps=2", "TEXT cpu_utilization=x", "{"):
        a.next(reporting(text))
        httpd.get("/app/x")
    assert httpd.get("/app/x").status == 200
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.5, "eps": 2}


def test_650_05_several_lines(httpd):
    """Contract: what HTTP says of a header that comes in several lines: they are all there; and its name has no case."""
    a = reporter(httpd)
    httpd.start()
    a.next(reporting("TEXT cpu_utilization=0.5", "TEXT eps=3, named_metrics.q=4", name="endpoint-LOAD-metrics"))
    assert httpd.get("/app/x").get(HEADER) is None
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.5, "eps": 3, "q": 4}
    a.next(reporting("TEXT eps=5", "TEXT wibble", "TEXT eps="))
    assert httpd.get("/app/x").get(HEADER) is None
    assert bad_reports(httpd) >= 1


@pytest.mark.parametrize("line", ["FarmReport off", 'FarmLoad "cpu_utilization"'], ids=["off", "default"])
def test_650_06_off(httpd, line):
    """Contract: FarmReport's default is off: the header is nothing of ours and passes through, as it does from a server
    that is no member; and it is not looked at."""
    a = reporter(httpd, on=line)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    httpd.start()
    values = ["TEXT cpu_utilization=0.3", "{ wibble"]
    a.always(reporting(*values))
    for path in ("/app/x", "/plain/x"):
        assert ", ".join(httpd.get(path).all(HEADER)) == ", ".join(values)
    row = httpd.rows()["a"]
    assert (row["metrics"], row["update_age_s"], row["bad_reports"]) == ({}, None, 0)


def test_650_07_on_for_one_farm(httpd):
    """Contract: FarmReport is a directive of one farm."""
    a = reporter(httpd)
    httpd.farm(a, name="other")
    a.always(reporting("TEXT cpu_utilization=0.3"))
    httpd.start()
    assert httpd.get("/other/x").get(HEADER) == "TEXT cpu_utilization=0.3"
    assert httpd.get("/app/x").get(HEADER) is None
    assert httpd.rows("other")["a"]["metrics"] == {}


@pytest.mark.parametrize("method, status", [("GET", "200 OK"), ("HEAD", "200 OK"), ("POST", "201 Created"),
                                            ("GET", "304 Not Modified"), ("GET", "404 Not Found"),
                                            ("GET", "500 Broken"), ("GET", "302 Found"), ("OPTIONS", "204 No Content")])
def test_650_08_any_answer(httpd, method, status):
    """Contract: the header is taken from the answer of "the member that answered", whatever the answer is."""
    a = reporter(httpd)
    bare = status[:3] in ("204", "304")
    a.always(answer(status, headers=[(HEADER, "TEXT cpu_utilization=0.5")], body=b"" if bare else None))
    httpd.start()
    response = httpd.get("/app/x", method=method)
    assert response.status == int(status[:3]) and response.get(HEADER) is None
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.5}


@pytest.mark.parametrize("text, stored", [("TEXT cpu_utilization=0.9", {"cpu_utilization": 0.9}), ("{{{", {})],
                         ids=["right", "wrong"])
def test_650_09_answer_that_is_passed_over(httpd, text, stored):
    """Contract: the header is "removed all the same": the client sees none of a member's whose answer another's replaced,
    nor is it taken for that other's."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmReport on", "FarmAlgorithm roundrobin",
               "FarmSet failonstatus=503 fall=1000000")
    httpd.log.expect("proxy_farm:")
    httpd.start()
    bad.always(reporting(text, status="503 Busy"))
    for _ in range(4):
        response = httpd.get("/app/x")
        assert (response.status, response.member, response.get(HEADER)) == (200, "good", None)
    rows = httpd.rows()
    assert rows["bad"]["metrics"] in ({}, stored)
    assert (rows["good"]["metrics"], rows["good"]["bad_reports"], rows["good"]["update_age_s"]) == ({}, 0, None)


def test_650_10_answer_of_failonstatus_that_is_passed_on(httpd):
    """Contract: "removed all the same": also from an answer that nobody else can replace."""
    a = reporter(httpd, "FarmSet failonstatus=503 fall=1000000")
    httpd.log.expect("proxy_farm:")
    httpd.start()
    a.always(reporting("TEXT cpu_utilization=0.9", status="503 Busy"))
    for method in ("GET", "POST"):
        response = httpd.get("/app/x", method=method)
        assert response.status == 503 and response.get(HEADER) is None
    a.always(reporting("{{{", status="503 Busy"))
    assert httpd.get("/app/x").get(HEADER) is None


def test_650_11_error_page_of_ours(httpd):
    """Contract: "removed all the same": also where ProxyErrorOverride puts a page of httpd's in the answer's place."""
    a = reporter(httpd)
    httpd.conf.add("ProxyErrorOverride On")
    httpd.start()
    a.always(reporting("TEXT cpu_utilization=0.9", status="500 Broken"))
    response = httpd.get("/app/x")
    assert response.status == 500 and response.get(HEADER) is None
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.9}


def test_650_12_report_is_an_update(httpd):
    """Contract: a report "does the same" as an update: it begins `update_age_s` anew; what cannot be read does not."""
    a = reporter(httpd)
    httpd.start()
    tell(httpd, "farm=app&member=a&cpu_utilization=0.1")
    age = lambda: httpd.rows()["a"]["update_age_s"]
    wait.until(lambda: age() >= 0.3, "the update to age")
    a.always(reporting("{"))
    assert httpd.get("/app/x").status == 200
    assert age() >= 0.3
    a.always(reporting("TEXT cpu_utilization=0.2"))
    wait.until(lambda: httpd.get("/app/x").status == 200 and age() < 0.3, "a report to be young")
    assert httpd.rows()["a"]["metrics"] == {"cpu_utilization": 0.2}


def test_650_13_report_keeps_a_member_in(httpd):
    """Contract: fresh is decided "by the age of its last update": a member that is asked often enough reports often
    enough; and when it goes on without reports it is out."""
    a = reporter(httpd, "FarmExpectUpdate 1s")
    httpd.log.expect("proxy_farm:")
    httpd.start()
    a.always(reporting("TEXT cpu_utilization=0.2"))
    assert httpd.get("/app/x").status in (200, 503)
    wait.until(lambda: httpd.rows()["a"]["fresh"] == "out", "the report to grow old")
    assert tell(httpd, "farm=app&member=a").fresh == "in"
    wait.until(lambda: tell(httpd, "farm=app&member=a") and httpd.get("/app/x").status == 200, "the member to be asked")
    a.always(answer())
    # Asked it is, but it reports no more.
    wait.until(lambda: httpd.get("/app/x").status == 503, "the member to be out")
    assert httpd.rows()["a"]["fresh"] == "out"


def test_650_14_more_names_than_fit(httpd):
    """Contract: "What cannot be read is counted, ignored": of names beyond the table's capacity that holds too; the others
    are taken."""
    a = reporter(httpd)
    httpd.conf.add("FarmTable metrics=2")
    httpd.log.expect("FarmTable")
    httpd.start()
    a.next(reporting("TEXT named_metrics.p=1, named_metrics.q=2"))
    httpd.get("/app/x")
    assert (httpd.rows()["a"]["metrics"], bad_reports(httpd)) == ({"p": 1, "q": 2}, 0)
    a.next(reporting("TEXT named_metrics.q=3, named_metrics.r=4"))
    response = httpd.get("/app/x")
    assert response.status == 200 and response.get(HEADER) is None
    row = httpd.rows()["a"]
    assert "r" not in row["metrics"] and row["metrics"]["p"] == 1 and row["bad_reports"] >= 1
    a.next(reporting("TEXT named_metrics.q=5"))
    httpd.get("/app/x")
    assert httpd.rows()["a"]["metrics"] == {"p": 1, "q": 5}
    error_of(ask(httpd, "farm=app&member=a&r=1"), 413)


def test_650_15_report_and_update_together(httpd):
    """Contract: a report "does the same": both write the same metrics, the later one counts."""
    a = reporter(httpd)
    httpd.start()
    tell(httpd, "farm=app&member=a&db=1&cpu_utilization=0.1")
    a.next(reporting("TEXT named_metrics.db=2"))
    httpd.get("/app/x")
    assert httpd.rows()["a"]["metrics"] == {"db": 2, "cpu_utilization": 0.1}
    tell(httpd, "farm=app&member=a&db=3")
    assert httpd.rows()["a"]["metrics"]["db"] == 3


def test_650_16_answer_that_breaks_off(httpd):
    """Contract: a report in half a header, or before a cut, harms nobody; and the client never sees it."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmReport on", "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.log.expect_broken()
    httpd.start()
    half = b"HTTP/1.1 200 OK\r\nEndpoint-Load-Metrics: TEXT cpu_utilization=0.3"
    for data in (half, half + b"\r\n", half + b"\r\nX"):
        bad.next(members.sending(data))
        response = httpd.get("/app/x")
        assert (response.status, response.member, response.get(HEADER)) == (200, "good", None)
    assert httpd.rows()["good"]["metrics"] == {}


def test_650_17_interim_answers(httpd):
    """Contract: "Response header" of the member that *answered*: one of an interim answer is not seen by the client as one
    of the answer."""
    a = reporter(httpd)
    a.always(answer(early=members.head("103 Early Hints", [(HEADER, "TEXT eps=1")])))
    httpd.start()
    response = httpd.get("/app/x")
    assert response.status == 200 and response.get(HEADER) is None


@pytest.mark.parametrize("moment", ["head", "body"])
def test_650_18_client_that_breaks_off(httpd, moment):
    """Contract: whatever becomes of the client's body, it sees no report."""
    a = reporter(httpd)
    httpd.log.expect_broken()
    httpd.start()
    text = f"HTTP/1.1 200 OK\r\n{HEADER}: TEXT eps=1\r\nContent-Length: 2\r\n\r\nok".encode()
    a.always(members.sending(text, after=moment))
    for rest in (b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n100\r\nhalf",
                 b"Transfer-Encoding: chunked\r\n\r\nwibble\r\n"):
        said = client.raw(httpd.port, b"POST /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + rest)
        assert HEADER.lower().encode() not in said.lower(), said

"""What a farm counts of its clients' requests: each has exactly one outcome once it has ended."""

from farmhttpd import wait

OUTCOMES = ("served", "failed", "refused", "redirected", "forwarded", "aborted")
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def ended(farm):
    """How many requests of a farm's status have ended, which its outcomes and its answers both say."""
    by_outcome, by_class = sum(farm[key] for key in OUTCOMES), sum(farm["answers"].values())
    assert by_outcome == by_class <= farm["requests"], farm
    return by_outcome


def of(farm):
    """{outcome: count}, and {class: count}, without the zeros."""
    return ({key: farm[key] for key in OUTCOMES if farm[key]}, {key: n for key, n in farm["answers"].items() if n})


def settled(httpd, running=0):
    """The farms by name, once all of their requests but so many have ended: a request ends after its client has the answer."""
    def look():
        farms = {farm["name"]: farm for farm in httpd.status()["farms"]}
        return sum(farm["requests"] - ended(farm) for farm in farms.values()) == running and farms
    return wait.until(look, "every request to have its outcome")


def check(httpd, expected, name="app"):
    """All requests have ended, and the farm's outcomes are these: "OUTCOME CLASS": count. """
    farm = settled(httpd)[name]
    outcomes, classes = {}, {}
    for words, count in expected.items():
        outcome, answer = words.split()
        outcomes[outcome] = outcomes.get(outcome, 0) + count
        classes[answer] = classes.get(answer, 0) + count
    assert of(farm) == (outcomes, classes), (of(farm), expected)
    return farm

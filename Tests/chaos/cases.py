"""What a case is. The cases themselves stand in cases_*.py, by where in an exchange they strike."""

from collections.abc import Callable
from dataclasses import dataclass

from answers import SIZE

# What the contract says of a request that meets the member of a case: docs/mod_proxy_farm.md, "Failover".
RETRIES = {
    "always": "another member gets it, whatever its method",
    "safe": "another member gets it if its method is idempotent",
    "none": "the client may see an error or a cut, never a wrong answer",
    "right": "nothing is wrong with what the member does, so every answer must be right",
}
IDEMPOTENT = ("GET", "PUT")


@dataclass(frozen=True)
class Case:
    name: str
    behaviour: Callable | str
    retry: str = "safe"
    size: int = SIZE
    requests: int = 4                       # by each client
    accepts: Callable | None = None         # an answer of the case's own that is right
    statuses: tuple = ()                    # statuses that are told to every proxy to be failures
    farm: str = ""                          # what else the farm has of FarmSet
    slow: bool = False                      # waits for timeouts

    def must_be_right(self, method):
        """Whether the contract allows this request to be repeated, or sees no fault: then every client must be served."""
        return self.retry in ("always", "right") or self.retry == "safe" and method in IDEMPOTENT


def all_cases():
    import cases_answer
    import cases_body
    import cases_connect
    import cases_kept
    cases = [*cases_connect.CASES, *cases_answer.CASES, *cases_body.CASES, *cases_kept.CASES]
    assert len({case.name for case in cases}) == len(cases), "two cases of one name"
    assert all(case.retry in RETRIES for case in cases)
    return cases

"""Reads callgrind's output: exclusive instructions of each function and inclusive ones of each call, and takes one
profile from another. callgrind_annotate --inclusive cannot tell what a function causes without what it hands on to
(mod_proxy's own handler runs inside of ours), calls can."""

from collections import defaultdict
from pathlib import Path


class Profile:
    def __init__(self):
        self.alone = defaultdict(float)     # (object, function) -> instructions
        self.calls = defaultdict(float)     # (caller, callee) -> instructions, inclusive
        self.times = defaultdict(float)     # (caller, callee) -> number of calls

    @property
    def total(self):
        return sum(self.alone.values())

    def minus(self, other, requests):
        """What `requests` more requests cost, for one of them."""
        result = Profile()
        for name in ("alone", "calls", "times"):
            mine, theirs, into = getattr(self, name), getattr(other, name), getattr(result, name)
            for key in mine.keys() | theirs.keys():
                if difference := mine.get(key, 0) - theirs.get(key, 0):
                    into[key] = difference / requests
        return result


def read(path):
    """The profile in a file of callgrind."""
    profile, names = Profile(), {"ob": {}, "fn": {}}
    here = callee = None
    this_object = called_object = ""

    def name_of(table, text):
        if not text.startswith("("):
            return text
        number, _, name = text[1:].partition(")")
        if name:
            names[table][number] = name.strip().partition("'")[0]       # 'f'2' is f, entered again
        return names[table][number]

    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            first = line[:1]
            if first.isdigit() or first in "+-*":
                fields = line.split()
                cost = int(fields[1]) if len(fields) > 1 else 0
                if callee:
                    profile.calls[here, callee] += cost
                    callee = None
                elif here:
                    profile.alone[here] += cost
                continue
            key, separator, text = line.rstrip("\n").partition("=")
            if not separator:
                continue
            if key == "ob":
                this_object = called_object = Path(name_of("ob", text)).name
            elif key == "fn":
                here = (this_object, name_of("fn", text))
                called_object = this_object
            elif key == "cob":
                called_object = Path(name_of("ob", text)).name
            elif key == "cfn":
                target = (called_object, name_of("fn", text))
            elif key == "calls":
                callee, called_object = target, this_object
                profile.times[here, callee] += int(text.split()[0])
    return profile


# Calls in which others go on with the request: what they cost is not what the module costs, and what of it comes back to
# the module is counted there.
HANDED_ON = {"ap_pass_brigade", "ap_get_brigade", "proxy_run_scheme_handler", "proxy_run_canon_handler"}

# By the functions that the linker leaves of the shim, which it optimises as a whole: the snapshot is in farm_pre_request,
# evidence in serve_once, the look at an answer's header in answer_filter.
PARTS = {
    "choice": ["farm_on_choose", "farm_on_condition", "farm_worker_for"],
    "URL": ["farm_map_to_storage", "farm_canon", "farm_ctx_begin", "farm_of_url", "farm_on_find_farm", "take_worker", "direct"],
    "environment": ["farm_environment", "farm_environment_refused"],
    "answer filter": ["answer_filter", "farm_header_look"],
    "reverse mapping": ["farm_reverse_map", "mapped_url", "mapped_refresh", "mapped_cookie", "origin_of"],
    "accounting": ["farm_on_answer", "farm_on_end", "farm_on_drop", "farm_host_clock"],
    "body": ["farm_body_watch", "farm_body_may_fit", "farm_body_can_resend", "body_filter", "farm_body_rewind"],
    "request's header": ["farm_request_look"],
    "hooks": ["farm_pre_request", "farm_destination_ask", "keep_headers", "farm_scheme_handler", "serve_once", "farm_page_quiet", "farm_status_handler"],
}
PART_OF = {function: part for part, functions in PARTS.items() for function in functions}
# What makes views, by parts of Swift's names: after a change, and once a second where a window moves. A second under callgrind
# has few requests, so that each bears more of it than a busy server's.
VIEWS = ("4ViewVRszlE", "6WindowV", "10AliasTable", "9endStates")


def causes(profile, module):
    """For each function of the module, what it costs itself and what it has others do: {function: (alone, others)}.
    Callees inside the module are not in `others`: they have entries of their own."""
    found = {key[1]: [cost, 0.0] for key, cost in profile.alone.items() if key[0] == module}
    for (caller, callee), cost in profile.calls.items():
        if caller[0] == module and callee[0] != module and callee[1] not in HANDED_ON:
            found.setdefault(caller[1], [0.0, 0.0])[1] += cost
    return {name: tuple(costs) for name, costs in found.items()}


def parts(profile, module):
    """Instructions of each part of the module. A function that has none of its own (a Swift one, or a helper) belongs to
    the part of the caller that spends most on it."""
    costs = causes(profile, module)
    callers = defaultdict(list)
    for (caller, callee), cost in profile.calls.items():
        if caller[0] == module and callee[0] == module:
            callers[callee[1]].append((cost, caller[1]))

    def part_of(name, depth=0):
        if name in PART_OF:
            return PART_OF[name]
        if any(mark in name for mark in VIEWS):
            return "views"
        if depth > 20 or not callers[name]:
            return "other"
        return part_of(max(callers[name])[1], depth + 1)

    result = dict.fromkeys([*PARTS, "views", "other"], 0.0)
    for name, (alone, others) in costs.items():
        result[part_of(name)] += alone + others
    return result

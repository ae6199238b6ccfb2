"""What memcheck has written of each process, as XML that breaks off where the process was killed."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass


@dataclass
class Frame:
    function: str
    object: str

    def __str__(self):
        return f"{self.function} ({self.object})"


@dataclass
class Error:
    kind: str
    what: str
    parts: list             # (what a stack shows, frames); the first is that of the error, others say where memory came from
    process: str
    module: str

    @property
    def is_ours(self):
        return any(frame.object == self.module for _, frames in self.parts for frame in frames)

    @property
    def key(self):
        """The same for the same error in another process, whatever its addresses and sizes."""
        return self.kind, tuple(str(frame) for frame in self.parts[0][1]) if self.parts else re.sub(r"\d+", "", self.what)

    def __str__(self):
        lines = [f"{self.kind}: {self.what}"]
        for what, frames in self.parts:
            lines += [f"  {what}"] if what else []
            lines += [f"    {frame}" for frame in frames]
        return "\n".join(lines)


def errors_of(folder, module):
    """The errors of all processes that have written there; `module` is the name of our file."""
    return [error for path in sorted(folder.glob("*.xml")) for error in _errors(path, module)]


def overused(folder, suppressions):
    """A line for each process in which a suppression of that file has hidden more than one stack: it is there for one object of a
    process, and what is beside that object must not hide behind it. Valgrind's own suppressions are none of it."""
    ours = re.findall(r"^\{\s*(\S+)", suppressions.read_text(), re.MULTILINE)
    return [f"  process {path.stem}: {used.findtext('name')} has hidden {used.findtext('count')} leaks, not 1"
            for path in sorted(folder.glob("*.xml")) for counts in _elements(path, "suppcounts")
            for used in counts.iter("pair") if used.findtext("name") in ours and int(used.findtext("count")) > 1]


def _elements(path, *tags):
    # That of a killed process just ends, somewhere; this parser gives what there is until then.
    parser = ElementTree.XMLPullParser(["end"])
    parser.feed(path.read_bytes())
    return (element for _, element in parser.read_events() if element.tag in tags)


def _errors(path, module):
    for element in _elements(path, "error", "fatal_signal"):
        if element.tag == "error":
            yield _error(element, path.stem, module)
        else:
            frames = _frames(element.find("stack"))
            yield Error("fatal signal", element.findtext("signame", "?"), [("", frames)], path.stem, module)


def _error(element, process, module):
    what = element.findtext("what") or element.findtext("xwhat/text") or "?"
    parts, said = [], ""
    for child in element:
        if child.tag in ("auxwhat", "xauxwhat"):
            said = child.text or child.findtext("text") or ""
        elif child.tag == "stack":
            parts.append((said.strip(), _frames(child)))
            said = ""
    return Error(element.findtext("kind", "?"), what, parts, process, module)


def _frames(stack):
    frames = [] if stack is None else stack.findall("frame")
    return [Frame(frame.findtext("fn") or frame.findtext("ip", "?"), (frame.findtext("obj") or "?").rsplit("/", 1)[-1])
            for frame in frames]

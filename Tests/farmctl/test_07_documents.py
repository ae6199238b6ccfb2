"""The manual page, docs/farmctl.md, the completions and the installation say what the program does."""

import json
import os
import re
import shutil
import subprocess

import pytest

from control import FARMCTL, environment
from farmhttpd.env import REPOSITORY

PAGE = REPOSITORY / "docs" / "farmctl.8"
DOCUMENT = REPOSITORY / "docs" / "farmctl.md"
STATUSES = REPOSITORY / "Sources" / "FarmControl" / "Core" / "ExitStatus.swift"


def help_of(*arguments):
    return subprocess.run([FARMCTL, *arguments], env=environment(), capture_output=True, text=True, timeout=60)


def commands():
    """Each command that does something, with its options, as the program says itself."""
    found = {}

    def walk(command, path):
        inner = [one for one in command.get("subcommands", ()) if one["commandName"] != "help"]
        for one in inner:
            walk(one, [*path, one["commandName"]])
        if not inner:
            found[" ".join(path)] = {name["name"] for argument in command.get("arguments", ())
                                     for name in argument.get("names", ()) if name["kind"] == "long"} - {"help", "version"}
    walk(json.loads(help_of("--experimental-dump-help").stdout)["command"], [])
    return found


def options_in(text):
    """Options that have an entry of their own: what a text only mentions is none."""
    return {match.replace("\\-", "-") for match in re.findall(r"^\.BI? \\-\\-([a-z\\-]+)", text, re.M)}


def page():
    """The manual page: options of each command by its name, and those of all."""
    text = PAGE.read_text()
    section = text.split("\n.SH COMMANDS\n")[1].split("\n.SH ")[0]
    own = {}
    for part in re.split(r"^\.SS ", section, flags=re.M)[1:]:
        title, _, rest = part.partition("\n")
        words = title.strip('"').split()
        name = " ".join(words[:2] if words[0] == "cookie" else words[:1])
        own[name] = options_in(rest)
    return own, options_in(text.split("\n.SH OPTIONS\n")[1].split("\n.SH ")[0]) - {"help", "version"}


def test_version_is_the_modules():
    # The first one is that of a module which tests put in the place of this one.
    version = re.findall(r'FARM_VERSION "(.+)"', (REPOSITORY / "CShim" / "farm_version.h").read_text())[-1]
    assert help_of("--version").stdout == version + "\n"


def test_manual_page_has_every_command_and_option():
    own, common = page()
    program = commands()
    assert set(own) == set(program) and len(program) > 12
    for name, options in program.items():
        expected = own[name] if name == "cookie mint" else own[name] | common
        assert options == expected, f"{name}: {options ^ expected}"


def test_manual_page_is_well_formed():
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", PAGE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def statuses_of_the_program():
    return {int(number) for number in re.findall(r"^    case \w+ = (\d+)$", STATUSES.read_text(), re.M)}


@pytest.mark.parametrize("path, section, pattern", [
    (PAGE, "\n.SH EXIT STATUS\n", r"^\.B (\d+)$"), (DOCUMENT, "\n## Exit statuses\n", r"^\| (\d+) \|"),
], ids=["page", "document"])
def test_exit_statuses(path, section, pattern):
    text = path.read_text().split(section)[1].split("\n.SH ")[0].split("\n## ")[0]
    assert {int(number) for number in re.findall(pattern, text, re.M)} == statuses_of_the_program()


def test_document_shows_every_command():
    """docs/farmctl.md has an example of each; test_950 of Tests/httpd runs them."""
    text = DOCUMENT.read_text()
    for name in commands():
        assert re.search(rf"(^\$ |\b|`)(farmctl )?{name}\b", text, re.M), name
    program = set().union(*commands().values())
    assert set(re.findall(r"`--([a-z-]+)", text)) <= program


@pytest.mark.parametrize("command", ["", *["status", "push", "on", "drain", "off", "up", "down", "weight", "balance", "agent", "check",
                                         "cookie", "cookie mint", "cookie verify"]])
def test_help(command):
    done = help_of(*command.split(), "--help")
    assert done.returncode == 0 and done.stdout.startswith("OVERVIEW: ") and done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell, tmp_path):
    """They name every command; the shell that is there can read them."""
    done = help_of("--generate-completion-script", shell)
    assert done.returncode == 0
    for name in commands():
        assert name.split()[-1] in done.stdout
    path = tmp_path / "script"
    path.write_text(done.stdout)
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=60)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes():
    """Commands, and options of a command."""
    script = """
        source /dev/stdin <<< "$("$1" --generate-completion-script bash)"
        complete_line() {
            COMP_LINE="$1"; COMP_POINT=${#1}; read -ra COMP_WORDS <<< "$1"; [[ "$1" == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            _farmctl farmctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[@]}"
        }
        complete_line 'farmctl dr'
        complete_line 'farmctl drain app --time'
        complete_line 'farmctl status --sort in'
    """
    done = subprocess.run(["bash", "-c", script, "bash", FARMCTL], capture_output=True, text=True, timeout=60)
    assert [sorted(line.split()) for line in done.stdout.splitlines()] == [["drain"], ["--timeout", "--timeout-wait"], ["inflight"]], done


def test_install(tmp_path):
    """DESTDIR and PREFIX are honoured; what is installed runs."""
    if FARMCTL != (REPOSITORY / ".build-module" / "farmctl").resolve():
        pytest.skip("FARMCTL is not what make builds")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-C", REPOSITORY, "install-farmctl", f"DESTDIR={tmp_path}", "PREFIX=/opt/farm"],
                          env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(tmp_path / "opt" / "farm")) for path in tmp_path.glob("**/*") if path.is_file()}
    assert files == {"bin/farmctl", "share/man/man8/farmctl.8", "share/bash-completion/completions/farmctl",
                     "share/zsh/site-functions/_farmctl", "share/fish/vendor_completions.d/farmctl.fish"}
    installed = tmp_path / "opt" / "farm" / "bin" / "farmctl"
    assert subprocess.run([installed, "--help"], capture_output=True, timeout=60).returncode == 0


def test_it_needs_nothing_of_swift():
    """Only what every system has."""
    done = subprocess.run(["ldd", FARMCTL], capture_output=True, text=True, check=True, timeout=60)
    needed = {line.split()[0].rsplit("/", 1)[-1].split(".so")[0] for line in done.stdout.splitlines()}
    assert needed <= {"linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64", "libc", "libm", "libstdc++", "libgcc_s", "libz"}, needed

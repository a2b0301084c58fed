"""``completion``: a script for the shell, made from the parser itself."""

from __future__ import annotations

import argparse
from typing import Callable, NamedTuple

from tribler_udp_fix.cli.invocation import PROGRAM
from tribler_udp_fix.cli.parser import build_parser, command_parsers


class Option(NamedTuple):
    """One option; ``value`` is "", "any" or "file": what has to follow it."""

    help: str
    value: str


class Command(NamedTuple):
    """What can follow one command: options, words, and whether files can."""

    name: str
    help: str
    options: dict[str, Option]
    words: list[str]
    takes_file: bool


def main(arguments: argparse.Namespace) -> int:
    """Print the script for the shell that was named."""
    writers: dict[str, Callable[[list[Command]], str]] = {
        "bash": bash,
        "zsh": zsh,
        "fish": fish,
        "powershell": powershell,
    }
    print(writers[arguments.shell](describe()), end="")
    return 0


def describe() -> list[Command]:
    """Every command of the parser."""
    parser = build_parser()
    summaries = {
        choice.dest: choice.help or ""
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    }
    top = _describe("", "", parser)
    own = {name for action in parser._actions for name in action.option_strings}
    commands = [top._replace(options={k: v for k, v in top.options.items() if k in own})]
    for name, subparser in command_parsers(parser).items():
        commands.append(_describe(name, summaries[name], subparser))
    return commands


def _describe(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    options: dict[str, Option] = {}
    words: list[str] = []
    takes_file = False
    for action in parser._actions:
        value = "" if action.nargs == 0 else "file" if action.dest in ("plot", "dir") else "any"
        for option in action.option_strings:
            options[option] = Option((action.help or "").split(" (")[0].split(";")[0], value)
        takes_file = takes_file or action.dest == "script"
        if not action.option_strings and action.choices is not None:
            words += list(action.choices)
        if isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                options.update(_describe(name, "", nested).options)
    return Command(name, summary, options, words, takes_file)


def bash(commands: list[Command]) -> str:
    """For bash: the command's words, and file names where one can follow."""
    top, *rest = commands
    cases = "".join(
        f"        {each.name}) words={_single(' '.join([*each.words, *each.options]))}; "
        f"files={int(each.takes_file)};;\n"
        for each in rest
    )
    before_file = "|".join(_with_value(rest, "file"))
    before_any = "|".join(_with_value(rest, "any"))
    return f"""\
# {PROGRAM} completion for bash
_tribler_udp_fix() {{
    local IFS=$' \\t\\n' current="${{COMP_WORDS[COMP_CWORD]}}" words="" files=0 command=""
    if [ "$COMP_CWORD" -gt 1 ]; then command="${{COMP_WORDS[1]}}"; fi
    case "$command" in
        "") words={_single(" ".join([*top.words, *top.options]))};;
{cases}    esac
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        {before_file}) words=""; files=1;;
        {before_any}) words=""; files=0;;
    esac
    COMPREPLY=()
    case "$files$current" in
        0*|1-*) COMPREPLY=($(compgen -W "$words" -- "$current"));;
        *) IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$current"));;
    esac
}}
# In this order where bash, from 4.4 on, does not have to sort.
complete -o filenames -o nosort -F _tribler_udp_fix {PROGRAM} 2>/dev/null ||
    complete -o filenames -F _tribler_udp_fix {PROGRAM}
"""


def _with_value(commands: list[Command], value: str) -> list[str]:
    return [
        name for each in commands for name, option in each.options.items() if option.value == value
    ]


def zsh(commands: list[Command]) -> str:
    """For zsh: the commands with their help, then each one's options and files."""
    top, *rest = commands
    listing = " ".join(_single(f"{each.name}:{each.help}") for each in rest)
    own = " ".join(_single(f"{name}:{option.help}") for name, option in top.options.items())
    cases = "".join(f"        {each.name})\n{_zsh_options(each)}            ;;\n" for each in rest)
    return f"""\
#compdef {PROGRAM}
# {PROGRAM} completion for zsh
_tribler_udp_fix() {{
    local -a entries
    if (( CURRENT == 2 )); then
        entries=({listing} {own})
        _describe command entries
        return
    fi
    case "$words[CURRENT-1]" in
        {"|".join(_with_value(rest, "file"))}) _files; return;;
        {"|".join(_with_value(rest, "any"))}) return;;
    esac
    case "$words[2]" in
{cases}    esac
}}
compdef _tribler_udp_fix {PROGRAM}
"""


def _zsh_options(command: Command) -> str:
    options = [f"{name}:{option.help}" for name, option in command.options.items()]
    lines = ""
    for what, entries in (("word", command.words), ("option", options)):  # groups in this order
        if entries:
            lines += f"            entries=({' '.join(map(_single, entries))})\n"
            lines += f"            _describe -V -t {what}s {what} entries\n"
    return lines + ("            _files\n" if command.takes_file else "")


def fish(commands: list[Command]) -> str:
    """For fish: one line for each word."""
    top, *rest = commands
    lines = [f"# {PROGRAM} completion for fish", f"complete -c {PROGRAM} -f"]
    first = f"complete -c {PROGRAM} -n __fish_use_subcommand"
    lines += [_fish_option(first, name, option) for name, option in top.options.items()]
    for each in rest:
        lines.append(f"{first} -a {each.name} -d {_fish_quote(each.help)}")
        here = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {each.name}'"
        if each.takes_file:
            lines.append(f"{here} -F")
        if each.words:
            lines.append(f"{here} -k -a {_fish_quote(' '.join(each.words))}")  # -k: in this order
        lines += [_fish_option(here, name, option) for name, option in each.options.items()]
    return "\n".join(lines) + "\n"


def _fish_option(start: str, name: str, option: Option) -> str:
    kind = "-l" if name.startswith("--") else "-s"
    value = {"": "", "any": " -x", "file": " -r -F"}[option.value]
    return f"{start} {kind} {name.lstrip('-')}{value} -d {_fish_quote(option.help)}"


def powershell(commands: list[Command]) -> str:
    """For PowerShell, on Windows and elsewhere."""
    top, *rest = commands
    table = "".join(
        f"        {_ps_quote(each.name)} = @({_ps_list([*each.words, *each.options])})\n"
        for each in rest
    )
    return f"""\
# {PROGRAM} completion for PowerShell
Register-ArgumentCompleter -Native -CommandName {PROGRAM} -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @{{
{table}    }}
    $elements = @($commandAst.CommandElements | ForEach-Object {{ $_.ToString() }})
    $candidates = @({_ps_list([*top.words, *top.options])})
    if ($elements.Count -gt 2 -or ($elements.Count -eq 2 -and -not $wordToComplete)) {{
        $candidates = $words[$elements[1]]
    }}
    $candidates | Where-Object {{ $_ -like "$wordToComplete*" }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_)
    }}
}}
"""


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _ps_quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _ps_list(words: list[str]) -> str:
    return ", ".join(_ps_quote(word) for word in words)

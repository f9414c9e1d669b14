"""`theater completion`: what a shell has to be told, printed or put where the shell looks."""

from __future__ import annotations

import os
from pathlib import Path

from theater.cli.place import Usage
from theater.cli.terminal import Terminal
from theater.errors import EnvironmentProblem

BASH = r"""# Completion of theater for bash.
_theater() {
    local line current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :file | :directory)
                compopt -o filenames 2>/dev/null
                local how=-f
                [ "$line" = :directory ] && how=-d
                while IFS= read -r line; do
                    COMPREPLY+=("$line")
                done < <(compgen "$how" -- "${current#=}")
                ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("$1" _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _theater theater
"""

ZSH = r"""#compdef theater
# Completion of theater for zsh.
_theater() {
    local line
    local -a described
    for line in "${(@f)$($words[1] _complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            '') ;;
            :file) _files ;;
            :directory) _files -/ ;;
            *) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( $#described )) && _describe -V theater described
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _theater theater
"""

FISH = r"""# Completion of theater for fish.
function __theater_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    for line in (command $words[1] _complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':file'
                __fish_complete_path "$current"
            case ':directory'
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end
complete -c theater -f -a '(__theater_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"


def completion(terminal: Terminal, shell: str | None, install: bool) -> None:
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    if name not in SCRIPTS:
        said = f"{name} is" if shell else "SHELL says"
        kinds = ", ".join(SCRIPTS)
        raise Usage(f"{said} none of {kinds}; name one: theater completion bash")
    if not install:
        terminal.write(SCRIPTS[name].encode())
        if terminal.out.is_terminal:
            terminal.note(f"theater completion {name} --install puts it where {name} looks")
        return
    try:
        for line in installed(name):
            terminal.note(line)
    except OSError as error:
        raise EnvironmentProblem(f"{error.filename}: {error.strerror}") from None
    terminal.note(f"It is there in each {name} that is started from now on.")


def installed(shell: str) -> list[str]:
    """Install it for this user; a line for each file that was written."""
    home, script = Path.home(), SCRIPTS[shell]
    share = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return [_written(config / "fish/completions/theater.fish", script)]
    if shell == "bash" and os.path.exists(BASH_COMPLETION):
        return [_written(share / "bash-completion/completions/theater", script)]
    path = share / f"theater/completion.{shell}"
    start = (
        Path(os.environ.get("ZDOTDIR") or home) / ".zshrc" if shell == "zsh" else home / ".bashrc"
    )
    said = [_written(path, script)]
    line = f'[ -r "{path}" ] && . "{path}"'
    before = start.read_text() if start.exists() else ""
    if line not in before.splitlines():
        with start.open("a") as file:
            file.write("" if before.endswith("\n") or not before else "\n")
            file.write(f"{line}\n")
        said.append(f"{start}: one more line, which reads it")
    return said


def _written(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"{path}: written"

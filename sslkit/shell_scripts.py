"""The parts of completion scripts that are the shells' own: one that answers, three that ask."""

from collections.abc import Callable

# Called with the words after `sslkit`, of which the last is being typed, it prints what may stand
# there, a line each; status 3 means that files may stand there too. Only names that no shell reads
# as anything else are taken from the user's folder, as bash expands what it is offered.
ANSWERS = """\
_sslkit_recipes() {{
  printf '%s\\n' {recipes}
  (cd "${{SSLKIT_RECIPES:-${{XDG_CONFIG_HOME:-$HOME/.config}}/sslkit/recipes}}" 2>/dev/null &&
    find . -name '*.yaml' | sed -n 's|^\\./\\([A-Za-z0-9._/-]*\\)\\.yaml$|user/\\1|p')
}}
_sslkit_value() {{
  case "$1" in
{values}
    *) return 1 ;;
  esac
}}
_sslkit_options() {{
  case "$1" in
{options}
  esac
}}
_sslkit_place() {{
  case "$1" in
{places}
  esac
}}
_sslkit_answer() {{
  command= place=1 option=
  while [ $# -gt 1 ]; do
    if [ "$1" = = ]; then :
    elif [ -n "$option" ]; then option=
    else
      case "$1" in
        --) if [ "$command" = reproduce ]; then command=fit; fi ;;
        -*=*) ;;
        -*) if _sslkit_value "$command $1" >/dev/null; then option=$1; fi ;;
        *)
          if [ -z "$command" ]; then command=$1
          elif [ "$command" = recipe ]; then command="recipe $1"
          else place=$((place + 1)); fi ;;
      esac
    fi
    shift
  done
  if [ -n "$option" ]; then kind=$(_sslkit_value "$command $option")
  else
    case "$1" in
      -*) kind="words $(_sslkit_options "$command")" ;;
      *) kind=$(_sslkit_place "$command $place") ;;
    esac
  fi
  case "$kind" in
    recipe) _sslkit_recipes; return 3 ;;
    file) return 3 ;;
    words*) printf '%s\\n' ${{kind#words}} ;;
  esac
}}
"""

_BASH = """\
_sslkit() {
  local current="${COMP_WORDS[COMP_CWORD]}" offered files word
  offered=$(_sslkit_answer "${COMP_WORDS[@]:1:COMP_CWORD}")
  files=$?
  if [[ $current == = ]]; then current=; fi
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(
    compgen -W "$offered" -- "$current"
    if [[ $files == 3 ]]; then compgen -f -- "$current"; fi
  )
  if [[ $files == 3 ]]; then compopt -o filenames 2>/dev/null; fi
}
complete -F _sslkit sslkit
"""

_ZSH = """\
_sslkit() {
  local offered files
  local -a typed=("${(@)words[2,CURRENT]}")  # before sh counts from 0
  offered=$(emulate sh; _sslkit_answer "${typed[@]}")
  files=$?
  if [[ -n $offered ]]; then compadd -- ${(f)offered}; fi
  if (( files == 3 )); then _files; fi
}
if ! whence compdef >/dev/null; then autoload -Uz compinit && compinit; fi
compdef _sslkit sslkit
"""

_FISH = """\
function __sslkit
  set -l current (commandline -ct)
  set -l tokens (commandline -opc) "$current"
  sh -c '%s_sslkit_answer "$@"' sslkit $tokens[2..-1]
  if test $status -eq 3
    __fish_complete_path "$current"
  end
end
complete -c sslkit -f -a '(__sslkit)'
"""


def _fish(answers: str) -> str:
    return _FISH % answers.replace("\\", "\\\\").replace("'", "\\'")


SHELLS: dict[str, Callable[[str], str]] = {
    "bash": lambda answers: answers + _BASH,
    "zsh": lambda answers: answers + _ZSH,
    "fish": _fish,
}
"""From the part that answers to the whole script, for each shell."""

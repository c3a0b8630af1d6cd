# Shared by scripts/test and scripts/demo: one virtual environment, made once and changed only when what it was
# made from has changed. Sourced by POSIX sh with $root set to the top of the checkout and the working directory there.

say() {
    printf '%s\n' "$*" >&2
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the command of a Python that can make a virtual environment. $PYTHON, when set, is the only one asked.
find_python() {
    without_venv=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.14 python3.13 python3.12 python3.11 python3 python
    fi
    for candidate in "$@"; do
        is_new_enough "$candidate" || continue
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        say "$without_venv has no venv module, which is needed to install ibackup beside the system's own packages."
        say "Debian, Ubuntu, Raspberry Pi OS: sudo apt install python3-venv"
    else
        say "ibackup needs Python 3.11 or newer; none was found${PYTHON:+ at $PYTHON}."
        say "macOS, Windows: install it from python.org. Linux: install python3 with your package manager."
        say "If it has an unusual name, give it: PYTHON=/path/to/python3 $0"
    fi
    return 1
}

# Sets $bin and $python for the environment in $venv (Windows puts its programs elsewhere).
locate_bin() {
    bin=$venv/bin
    python=$bin/python
    if [ -d "$venv/Scripts" ]; then
        bin=$venv/Scripts
        python=$bin/python.exe
    fi
}

# What the environment is made from, as text. Another place of the checkout counts, since programs in an environment
# carry the path they were installed to. "newest" is looked up again once a day.
fingerprint() {
    pins=$(cat pyproject.toml constraints.txt | cksum)
    if [ "$1" = newest ]; then
        pins="newest of $(date +%Y-%m-%d), $(cksum <pyproject.toml)"
    fi
    printf 'root: %s\npython: %s\nfrom: %s\n' "$root" "$("$python" -c 'import sys; print(sys.version)')" "$pins"
}

make_venv() {
    maker=$(find_python) || return 1
    say "Making $venv with $("$maker" --version 2>&1)."
    "$maker" -m venv --clear "$venv" || return 1
    locate_bin
}

install_into() {
    # The pip that comes with an older Python knows neither --group nor --build-constraint.
    if [ "$2" = newest ]; then
        set -- "$1" --upgrade --upgrade-strategy eager
        "$python" -m pip install --quiet --upgrade pip || return 1
    else
        set -- "$1" --constraint constraints.txt --build-constraint constraints.txt
        "$python" -m pip install --quiet --upgrade --constraint constraints.txt pip || return 1
    fi
    tools=$1
    shift
    if [ "$tools" = dev ]; then
        set -- "$@" --group dev
    fi
    "$python" -m pip install --quiet "$@" --editable .
}

# ensure_venv FOLDER TOOLS PINS
#   FOLDER  the environment, below $root
#   TOOLS   "run": what ibackup needs to run; "dev": what its checks need as well
#   PINS    "pinned": the versions in constraints.txt; "newest": the newest that pyproject.toml allows
# Sets $python and $bin. Installs nothing, and needs no network, when the stamp says that all is in place.
ensure_venv() {
    venv=$root/$1
    stamp=$venv/ibackup-stamp
    locate_bin
    had=$(cat "$stamp" 2>/dev/null)
    case $had in
        "" | "root: $root
"*) ;;
        *) rm -f "$python" ;; # made for another place
    esac
    if ! is_new_enough "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then
        make_venv || return 1
        had=
    fi
    want=$(fingerprint "$3")
    case $had in
        "$want
tools: dev" | "$want
tools: $2") return 0 ;;
    esac
    rm -f "$stamp"
    say "Installing ibackup and what it needs into $1. This happens once and can take some minutes."
    if ! install_into "$2" "$3"; then
        say "The installation did not succeed; the reason stands above. Run the same command again to go on."
        say "ibackup needs a network for this step, and a 64-bit system (docs/dependencies.md)."
        return 1
    fi
    printf '%s\ntools: %s\n' "$want" "$2" >"$stamp"
}

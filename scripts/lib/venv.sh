# Shared by scripts/test and scripts/demo: one virtual environment, made once, and changed only if its sources have
# changed. Sourced by POSIX sh with $root set to the top of the checkout and the working directory there.

# Hundreds of programs are started here, and each would compile everything again.
unset PYTHONDONTWRITEBYTECODE

say() {
    printf '%s\n' "$*" >&2
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the command of a Python that can make a virtual environment. If $PYTHON is set, it tries only that one.
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
        say "$without_venv has no venv module. ibackup needs it, so that its packages stay apart from the system's."
        say "Debian, Ubuntu, Raspberry Pi OS: sudo apt install python3-venv"
    else
        say "ibackup needs Python 3.11 or newer; none was found${PYTHON:+ at $PYTHON}."
        say "macOS, Windows: install it from python.org. Linux: install python3 with your package manager."
        say "If it has an unusual name, give it: PYTHON=/path/to/python3 $0"
    fi
    return 1
}

# Prints the Pythons in PATH and in pyenv's folder that can run ibackup, one "VERSION PROGRAM" per line, the oldest first.
list_pythons() {
    for candidate in python3.11 python3.12 python3.13 python3.14 python3 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python; do
        # Not "a && b": the last Python that is too old would be the loop's own result, and end a shell under "set -e".
        if is_new_enough "$candidate"; then
            "$candidate" -c 'import ensurepip, platform, sys, venv; print(platform.python_version(), sys.executable)' \
                2>/dev/null || :
        fi
    done | sort -u -t . -k 1,1n -k 2,2n -k 3,3n
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

# What the environment is made from, as text. The place of the checkout counts, since programs in an environment
# contain the path they were installed to. "newest" is looked up again once a day.
fingerprint() {
    pins=$(cat pyproject.toml constraints.txt scripts/lock/*.txt | cksum)
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
    if [ "$2" = newest ]; then
        # The pip that comes with an older Python does not know --group.
        "$python" -m pip install --quiet --upgrade pip || return 1
        if [ "$1" = dev ]; then
            set -- --group dev
        else
            set --
        fi
        "$python" -m pip install --quiet --upgrade --upgrade-strategy eager "$@" --editable .
        return
    fi
    # Check the checksum of every file; pip cannot do that in one step with a folder.
    if [ "$1" = dev ]; then
        set -- --requirement scripts/lock/dev.txt
    else
        set --
    fi
    "$python" -m pip install --quiet --require-hashes --requirement scripts/lock/run.txt "$@" || return 1
    "$python" -m pip install --quiet --no-deps --build-constraint constraints.txt --editable .
}

# ensure_venv FOLDER TOOLS PINS
#   FOLDER  the environment, below $root
#   TOOLS   "run": what ibackup needs to run; "dev": also what its checks need
#   PINS    "pinned": the versions in constraints.txt; "newest": the newest that pyproject.toml allows
# Sets $python and $bin. Installs nothing, and needs no network, if the stamp says that everything is in place.
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
    say "Installing ibackup and what it needs into $1. This happens once and can take a few minutes."
    if ! install_into "$2" "$3"; then
        say "The installation did not succeed; the reason is above. To try again, run the same command."
        say "This step needs a network and a 64-bit system (docs/dependencies.md)."
        return 1
    fi
    printf '%s\ntools: %s\n' "$want" "$2" >"$stamp"
}

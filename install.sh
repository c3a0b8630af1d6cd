#!/bin/sh
# Installs ibackup on Linux or macOS, for you alone: no root, no change to your shell's files.
#
#   sh install.sh                  the newest release, or an upgrade to it
#   sh install.sh --from FILE      a wheel that you have, checked against the SHA256SUMS beside it
#   sh install.sh --from FOLDER    the source in a folder
#   sh install.sh --uninstall      removes ibackup again; never your backups
#
# It brings two things:
#
#   uv        installs Python programs, each in an environment of its own. If you have it, yours is used. If not, it
#             comes from Homebrew, or by a Python that is here, into ~/.local/share/ibackup-installer.
#   ibackup   in its own environment (~/.local/share/uv/tools/ibackup), with a link to start it (~/.local/bin/ibackup).
#
# uv keeps what it fetched in its cache (~/.cache/uv). docs/howto-install.md explains this file line by line.

# Any command that fails ends this script, and so does a variable that nobody has set.
set -eu

# Where uv's own page says how to install it, if nothing here can.
uv_page=https://docs.astral.sh/uv/getting-started/installation/

# Where uv goes if this script has to bring it.
own=${XDG_DATA_HOME:-"$HOME/.local/share"}/ibackup-installer

say() { printf '%s\n' "$*"; }

# Says what went wrong and what to do, and ends.
stop() {
    printf 'Not installed: %s\n' "$*" >&2
    exit 1
}

# The version of uv to bring, and the checksums of its files for every system. pip refuses any other file.
# >>> written by scripts/gen-docs from scripts/lock
uv_version=0.13.9
uv_requirement() {
    cat <<'END'
uv==0.13.9 \
    --hash=sha256:16963d19594e18d746a70c7fce82237bde4f2cac4cfcf0ca2b84796fe9d0c6e9 \
    --hash=sha256:2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25 \
    --hash=sha256:3eeeb51a267a2144640fcd8f38d4a2f63439b39bc47445fd84727c3fc462c843 \
    --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe \
    --hash=sha256:56ec37616c00220032fc7b8c9d0ef51367fd0d70d9cd6ddd841660f949f84fed \
    --hash=sha256:66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63 \
    --hash=sha256:6a44b2ed8111d2f60d2b92627c5dccda3f7ed7570b18ce115e569cd68c28246b \
    --hash=sha256:6b0c7b9f47a5d011939d61e324d3fe18a8bc155d8dd53add738709a92f290a7c \
    --hash=sha256:6d5114bba238adddacb32fb11904f2b3ff4e988f8e9ff0d8d3b5e9822cf836b8 \
    --hash=sha256:7ec1e1dd9b6cb335c301afdf877989df384227313981850755a59561f75e4ab8 \
    --hash=sha256:a2ee66fe8b6608e1482ab1bde5799da04705c1cb40324c7f66054ecf46ae6e40 \
    --hash=sha256:a6e845f387e4ed55bb59342957a9179e24a631fcc7668bda3426ae1cef8ed4b9 \
    --hash=sha256:c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5 \
    --hash=sha256:c5dbdb7c8737cd183a9dce95b39cfd1f3d54ec2a27a1bb58f160293f9ba2c805 \
    --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
    --hash=sha256:db5c8df7145c21ffea9c0f74e38823bac3af60cbadf0e26b8633f08627b17bab \
    --hash=sha256:dd6f4f93ddf8a668c73f0945f3638444b2140a4e15a3912067493fc6335543e4 \
    --hash=sha256:ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375 \
    --hash=sha256:eeb92051c2123b9730c46b04cc843cfa4bc7d7b0aec56df431a2215ef4cb0273
END
}
# <<<

# Prints the uv to use, or nothing: the one in PATH, the one of this script, or one where uv's own installer puts it.
find_uv() {
    command -v uv && return
    for each in "$own/bin/uv" "$HOME/.local/bin/uv"; do
        if [ -x "$each" ]; then
            say "$each"
            return
        fi
    done
}

# Prints a Python that can make an environment, or nothing.
find_python() {
    for each in python3 python3.14 python3.13 python3.12 python3.11; do
        path=$(command -v "$each") || continue
        # On a Mac without Apple's developer tools, this one only opens a window that offers to install them.
        if [ "$path" = /usr/bin/python3 ] && [ "$(uname -s)" = Darwin ] && ! xcode-select -p >/dev/null 2>&1; then
            continue
        fi
        if "$path" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            say "$path"
            return
        fi
    done
}

# Sets $uv, and brings it if it is not here.
need_uv() {
    uv=$(find_uv)
    if [ -n "$uv" ]; then
        say "uv is here: $uv"
        return
    fi
    # Homebrew checks the checksum of what it fetches.
    if command -v brew >/dev/null; then
        say "Homebrew installs uv."
        brew install --quiet uv
        uv=$(find_uv)
        return
    fi
    python=$(find_python)
    if [ -z "$python" ]; then
        stop "uv is missing, and there is neither Homebrew nor a Python with venv to bring it." \
            "Install uv as $uv_page says (on Debian and Ubuntu, 'sudo apt install python3-venv' is enough)," \
            "then run this again."
    fi
    say "$python brings uv $uv_version into $own"
    "$python" -m venv --clear "$own"
    uv_requirement >"$own/uv.txt"
    "$own/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$own/uv.txt"
    uv=$own/bin/uv
}

# Prints the SHA-256 of a file; Linux and macOS have different programs for it.
sha256() {
    if command -v sha256sum >/dev/null; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

# Compares a wheel with the list of checksums of its release, if that is beside it.
check_file() {
    list=$(dirname -- "$1")/SHA256SUMS
    name=$(basename -- "$1")
    if [ ! -f "$list" ]; then
        say "There is no SHA256SUMS beside $name, so it could not be checked."
        return
    fi
    wanted=$(awk -v name="$name" '$2 == name { print $1 }' "$list")
    [ -n "$wanted" ] || stop "SHA256SUMS does not name $name. Get both from the same release."
    [ "$wanted" = "$(sha256 "$1")" ] || stop "$name is not the file of the release. Get it again."
    say "$name is the file that SHA256SUMS names."
}

# The Pythons for which every part of ibackup comes ready-made here; uv fetches one if this computer has none.
choose_python() {
    case $(uname -s)-$(uname -m) in
        Linux-x86_64 | Darwin-*) pythons='>=3.11,<3.15' ;;
        Linux-aarch64 | Linux-arm64) pythons='>=3.13,<3.15' ;;
        *) stop "ibackup needs 64-bit Linux or macOS; this is $(uname -s) on $(uname -m)." ;;
    esac
}

install_ibackup() {
    choose_python
    need_uv
    if [ -n "$from" ]; then
        [ -e "$from" ] || stop "there is no $from."
        # In full: uv would take a folder's bare name for a package of the registry.
        from=$(CDPATH='' cd -- "$(dirname -- "$from")" && pwd)/$(basename -- "$from")
        set --
        if [ ! -d "$from" ]; then
            check_file "$from"
        elif [ -f "$from/constraints.txt" ]; then
            set -- --constraints "$from/constraints.txt" # the versions that were tested with this source
        fi
        # Also where the version is the same: its files may differ.
        "$uv" tool install --quiet --python "$pythons" --reinstall-package ibackup "$@" "$from" </dev/null
    elif "$uv" tool list 2>/dev/null | grep -q '^ibackup '; then
        "$uv" tool upgrade --quiet ibackup </dev/null
    else
        # uv compares each file with the checksum that the registry lists for it.
        "$uv" tool install --quiet --python "$pythons" ibackup </dev/null
    fi
    # What is installed has to start, and say who it is.
    bin=$("$uv" tool dir --bin)
    said=$("$bin/ibackup" --version) || stop "ibackup does not start. Report what this shows: $bin/ibackup --version"
    say "Installed: $said ($bin/ibackup)"
    case :$PATH: in
        *":$bin:"*) ;;
        *) say "Your shell does not look there yet. For every new terminal: $uv tool update-shell" ;;
    esac
    if [ "$(uname -s)" = Linux ] && ! command -v usbmuxd >/dev/null && [ ! -x /usr/sbin/usbmuxd ]; then
        say "Phones need one more package, from your system: usbmuxd"
    fi
    say "What is still missing: ibackup setup --check"
}

uninstall() {
    uv=$(find_uv)
    if [ -z "$uv" ]; then
        say "uv is not here. If it installed ibackup, run this again in a terminal that finds uv."
    elif "$uv" tool list 2>/dev/null | grep -q '^ibackup '; then
        # What starts backups automatically would look for a program that is gone.
        "$("$uv" tool dir --bin)/ibackup" schedule remove </dev/null || true
        "$uv" tool uninstall --quiet ibackup
        say "Removed: ibackup. Your backups, settings and logs are still here; docs/howto-upgrade.md says where."
    else
        say "uv has not installed ibackup, so there is nothing to remove."
    fi
    # Only the uv of this script; another program may need yours.
    if [ -f "$own/uv.txt" ]; then
        rm -rf "$own"
        say "Removed: $own"
    fi
}

# All of it is in functions up to here, so that half of a file that was cut off does nothing.
main() {
    from=
    while [ $# -gt 0 ]; do
        case $1 in
            --from)
                [ $# -gt 1 ] || stop "--from needs a file or a folder."
                from=$2
                shift
                ;;
            --uninstall)
                uninstall
                return
                ;;
            -h | --help)
                say "usage: sh install.sh [--from FILE | --from FOLDER | --uninstall]"
                say "Installs ibackup for you alone, and uv if it is missing; --uninstall removes both, never backups."
                return
                ;;
            *) stop "$1 is not an option: --from FILE, --from FOLDER or --uninstall." ;;
        esac
        shift
    done
    install_ibackup
}

main "$@"

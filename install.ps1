# Installs ibackup on Windows, for you alone: no administrator.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1                 the newest release, or an upgrade to it
#   powershell -ExecutionPolicy Bypass -File install.ps1 -From FILE      a wheel that you have, checked against the
#                                                                        SHA256SUMS beside it; or a folder with the source
#   powershell -ExecutionPolicy Bypass -File install.ps1 -Uninstall      removes ibackup again; never your backups
#
# It brings two things:
#
#   uv        installs Python programs, each in an environment of its own, and Python itself where it is missing. If you
#             have it, yours is used. If not, winget brings it, which checks its checksum.
#   ibackup   in its own environment (%APPDATA%\uv\tools\ibackup), with a program to start it (%USERPROFILE%\.local\bin).
#
# uv keeps what it fetched in its cache (%LOCALAPPDATA%\uv\cache). docs/howto-install.md explains this file line by line.
param(
    [string] $From = "",
    [switch] $Uninstall
)

# A command of PowerShell that fails ends this script; what an outside program says is looked at below.
$ErrorActionPreference = "Stop"

# Where uv's own page says how to install it, if nothing here can.
$UvPage = "https://docs.astral.sh/uv/getting-started/installation/"

# Says what went wrong and what to do, and ends.
function Stop-Here([string] $Why) {
    [Console]::Error.WriteLine("Not installed: $Why")
    exit 1
}

# The uv to use, or nothing: the one in PATH, one that winget has just put there, or one of uv's own installer.
function Find-Uv {
    $found = Get-Command uv.exe -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($found) { return $found.Source }
    foreach ($each in "$env:LOCALAPPDATA\Microsoft\WinGet\Links\uv.exe", "$env:USERPROFILE\.local\bin\uv.exe") {
        if (Test-Path -LiteralPath $each) { return $each }
    }
}

# The uv to use; winget brings it if it is not here.
function Get-Uv {
    $uv = Find-Uv
    if ($uv) { return $uv }
    if (-not (Get-Command winget.exe -ErrorAction SilentlyContinue)) {
        Stop-Here "uv is missing, and there is no winget to bring it. Install uv as $UvPage says, then run this again."
    }
    [Console]::WriteLine("winget installs uv.")
    & winget.exe install --id astral-sh.uv --exact --source winget --scope user `
        --accept-package-agreements --accept-source-agreements | Out-Null
    $uv = Find-Uv
    if (-not $uv) {
        Stop-Here "winget did not bring uv. Install it as $UvPage says, then run this again."
    }
    return $uv
}

# Compares a wheel with the list of checksums of its release, if that is beside it.
function Test-Wheel([string] $File) {
    $name = Split-Path -Leaf $File
    $list = Join-Path (Split-Path -Parent $File) "SHA256SUMS"
    if (-not (Test-Path -LiteralPath $list)) {
        [Console]::WriteLine("There is no SHA256SUMS beside $name, so it could not be checked.")
        return
    }
    $wanted = Get-Content -LiteralPath $list | Where-Object { ($_ -split "\s+", 2)[1] -eq $name } |
        ForEach-Object { ($_ -split "\s+", 2)[0] }
    if (-not $wanted) { Stop-Here "SHA256SUMS does not name $name. Get both from the same release." }
    if ((Get-FileHash -LiteralPath $File -Algorithm SHA256).Hash -ne $wanted) {
        Stop-Here "$name is not the file of the release. Get it again."
    }
    [Console]::WriteLine("$name is the file that SHA256SUMS names.")
}

# Whether uv has installed ibackup.
function Test-Installed([string] $Uv) {
    return [bool] (& $Uv tool list | Where-Object { $_ -like "ibackup *" })
}

if (-not [Environment]::Is64BitOperatingSystem) {
    Stop-Here "ibackup needs 64-bit Windows."
}

if ($Uninstall) {
    $uv = Find-Uv
    if (-not $uv) {
        [Console]::WriteLine("uv is not here. If it installed ibackup, run this again in a window that finds uv.")
    } elseif (Test-Installed $uv) {
        # What starts backups automatically would look for a program that is gone.
        & (Join-Path (& $uv tool dir --bin) "ibackup.exe") schedule remove
        & $uv tool uninstall --quiet ibackup
        if ($LASTEXITCODE -ne 0) { Stop-Here "uv could not remove ibackup. Close what uses it, and run this again." }
        [Console]::WriteLine("Removed: ibackup. Your backups, settings and logs are still here.")
        [Console]::WriteLine("uv stays, since other programs may need it. To remove it: winget uninstall astral-sh.uv")
    } else {
        [Console]::WriteLine("uv has not installed ibackup, so there is nothing to remove.")
    }
    exit 0
}

$uv = Get-Uv
# The Pythons for which every part of ibackup comes ready-made; uv fetches one if this computer has none.
$pythons = ">=3.11,<3.15"
if ($From) {
    if (-not (Test-Path -LiteralPath $From)) { Stop-Here "there is no $From." }
    # In full: uv would take a folder's bare name for a package of the registry.
    $From = (Resolve-Path -LiteralPath $From).ProviderPath
    $more = @()
    $pins = Join-Path $From "constraints.txt"
    if (Test-Path -LiteralPath $From -PathType Leaf) {
        Test-Wheel $From
    } elseif (Test-Path -LiteralPath $pins) {
        $more = "--constraints", $pins # the versions that were tested with this source
    }
    # Also where the version is the same: its files may differ.
    & $uv tool install --quiet --python $pythons --reinstall-package ibackup @more $From
} elseif (Test-Installed $uv) {
    & $uv tool upgrade --quiet ibackup
} else {
    # uv compares each file with the checksum that the registry lists for it.
    & $uv tool install --quiet --python $pythons ibackup
}
if ($LASTEXITCODE -ne 0) { Stop-Here "uv could not install ibackup; what it said is above." }

# What is installed has to start, and say who it is.
$bin = & $uv tool dir --bin
$program = Join-Path $bin "ibackup.exe"
$said = & $program --version
if ($LASTEXITCODE -ne 0) { Stop-Here "ibackup does not start. Report what this shows: $program --version" }
[Console]::WriteLine("Installed: $said ($program)")
if (($env:PATH -split ";") -notcontains $bin) {
    [Console]::WriteLine("PowerShell does not look there yet. For every new window: $uv tool update-shell")
}
[Console]::WriteLine("The driver comes with Apple Devices, from the Microsoft Store.")
[Console]::WriteLine("What is still missing: ibackup setup --check")

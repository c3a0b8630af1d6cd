"""The words a trace may keep unchanged: Apple's and the protocol's own, and nothing that someone chose.

Everything else is left out or replaced by a stand-in. A word is here because the protocol or a phone's known texts
use it.
"""

import re
from typing import Final

_WORDS: Final = """
a abort about access accessories account accounts acknowledged action activated activation active activity
address afc again agent air allowed already amount an and another answer any app apple application applications
apps archive are area array as asking at attached attempt attributes auth authentication authorization auto
available away back backed backup backups bad bag baseband battery because been before behavior being between
birth birthday block bookmarks books boolean both brick browse browsing buddy buid build built bundle busy but
by cache caches calendar calendars call calls camera can cancel cancelled cannot capability capable capacity
carrier case certificate change changed changing channel chaperone charge charging check chip chmod chown class
client clock close closed cloud code color com command common complete completed computer conference configured
connect connected connection contact contacts container containers content contents copy corrupt could count
crash create created creating current daemon damaged data database date days dead death decrypt decryption
default delete deleted denied description deserialize destination detached detected developer developerdomain
device devices diagnostics dialog dictionary did died digest directories directory disabled disconnect disk
dismissed display do does doesn domain domains done download downloaded downloading drive due duplicate during
empty enable enabled encrypt encrypted encryption end ended ending engine enough enter entered enterprise
entries entry enumerate enumerating enumeration erase errno error errors escrow exceeded exception exchange
exclusive
exist existing exists expected expired extended extension extract factory failed failure fairplay feature
fetching file files finalize find finish finished firmware first flag flags flashr fmip folder folders for force
forced format found free frequency from fstat fsync full fully gas gauge get getting gid greater group had
hardware has hash have health hello hierarchy host hours iboot icc iccid icloud id identifier identifiers if
imei in inaccessible inactive incompatible incremental index indexes info information inode install installation
installed installing instance insufficient integer interaction interface international interrupted interval
invalid io ios ipad iphone ipod is issue it item items itunes itunesmetadata kb key keybag keyboard keychain
keys kind kit known language large last later launch left length library limit link list listen lite local
locale locate location lock lockdown locked log logs long lookup lost lstat mail managed management manager
manifest many map match maximum mb mbdb mbdx mc mdm media meid memory message messages metadata migration
minimum missing mkdir mobdev mobile mobilebackup mobilebackup2 mode model modification modified more mount move
moved moving multi multiple must mux name names nand network new next no node not notes notification
notifications npki ns number numbers observe of off offset old on only open opened opening operation option
options or original os other out over overwrite package pair paired pairing parameter parent parse part partial
party passcode password path pending permission permissions permitted persona phone photo photos pid placeholder
plist plugin plugins policy port ports post prepare present presented preserve previous private process product
profile progress prohibited properties property proposed protected protection protocol provided provisioning
proxy public purge purged purple purplebuddy query read readable reading readonly ready reason reboot received
record records recovery references refused region registered relative relay reload remote remove removed
removing rename replace replay report request requested require required requires reserved reset resource
response restart restore restored restoring restriction result resume resumed retry return returned rmdir root
row rsa running safe same save sb scan screen screens security send sending serialize serialized server service
services session sessions set setting settings setup sha shared should shutdown sim since sinf single size sizes
skip snapshot snapshots software some source space spotlight springboard springboardservices sqlite ssl standby
start started starting stat state status steps still stop stopped storage store stored string success such
supports suspend suspended sync syncable system table target telephony temporary terminal tethered text than
that the their then there they this time timed timeout timestamp timezone tls to too total transaction transfer
trust trusted try trying type types ui uid un unable unavailable unback underlying undeveloped unencrypted
unexpected uninstall unique unknown unlink unlock unpair unreadable unset unsupported until up update updated
upgrade upload uploaded uploader uploading usage usb use used user users uses using uuid valid validate value
values verification verify version versions video view voice voicemail volume wait waiting was watch web were
when which while whole width wifi window wireless with within without wrapped write writing written wrong xattr
xcode xml xpc you your zone
"""
WORDS: Final = frozenset(_WORDS.split())

PREFIXES: Final = frozenset(["bb", "cf", "dl", "dont", "ids", "k", "lib", "mb", "tz", "will"])
"""Words known only inside a longer name, as in WillEncrypt; alone, they may be a person's name."""

_FOLDERS: Final = """
Snapshot Status.plist Manifest.plist Manifest.db Manifest.mbdb Manifest.mbdx Info.plist _unback_
.this_folder_is_not_present_on_purpose . .. private var mobile root Library Containers Data Application Shared
AppGroup PluginKitPlugin System Media SystemGroup db preboot tmp folders .b Caches Preferences Documents
Keychains MobileDevice wireless Managed HomeDomain RootDomain CameraRollDomain MediaDomain Books iTunes_Control
iTunes iTunesRestore DCIM PhotoData com.apple.itunes.lock_sync iBooksData2.plist ApertureAlbumPrefs IC-Info.sidb
IC-Info.sidv PhotosFolderAlbums PhotosFolderName PhotosFolderPrefs VoiceMemos.plist iPhotoAlbumPrefs
iTunesApplicationIDs iTunesPrefs iTunesPrefs.plist RestoreApplications.plist backup_manifest.db
"""
FOLDERS: Final = frozenset(_FOLDERS.split())
"""Names of folders and files that are the same on every phone."""

_VERSION: Final = r"[0-9]{1,4}(?:\.[0-9]{1,6}){0,4}"

TEXTS: Final[dict[str, re.Pattern[str]]] = {
    key: re.compile(form, re.ASCII)
    for key, form in {
        "ActivationState": r"Activated|Unactivated|FactoryActivated|SoftActivation|WildcardActivated",
        "ApplicationType": r"Any|User|System|Internal|Hidden",
        "BackupState": r"empty|old|new",
        "BasebandStatus": r"BBInfoAvailable|NoTelephonyCapabil?i?ty|BBNotBooted",
        "BuildVersion": r"[0-9]{2}[A-Z][0-9]{1,5}[a-z]?",
        "CPUArchitecture": r"arm64e?|armv7[a-z]?",
        "ConnectionType": r"USB|Network",
        "DLFileType": r"DLFileType(?:Regular|Directory|Unknown)",
        "DeviceClass": r"iPhone|iPad|iPod|Watch|AppleTV|RealityDevice",
        "HardwarePlatform": r"[ts][0-9]{4}",
        "MinITunesVersion": _VERSION,
        "ProductName": r"iPhone OS|iPadOS|iOS",
        "ProductType": r"(?:iPhone|iPad|iPod|RealityDevice)[0-9]{1,2},[0-9]{1,2}",
        "ProductVersion": _VERSION,
        "ProtocolVersion": _VERSION,
        "SnapshotState": r"uploading|moving|removing|finished",
        "SystemDomainsVersion": _VERSION,
        "Version": _VERSION,
        "RequiredProductVersion": _VERSION,
        "ClientVersionString": r"ibackup",
        "ProgName": r"ibackup",
    }.items()
}
"""Texts that reveal nothing about a person, by key, with the format they must have."""

_KEYS: Final = """
AMRDId APIs AppleDRMVersion AppleIDs ApplicationSINF AutoBoot BasebandKeyHashInformation BasebandSerialNumber
BBInfo Birth BluetoothAddress BoardId BonjourFullServiceName BootSessionID BUID bundleId CarrierBundleInfoArray
CertID CFBundleIdentifier CFBundleVersion ChipID ChipSerialNo ClientVersionString ConnectionSpeed
ContainerContentClass CPUArchitecture DBVersion DeveloperStatus DeviceCertificate DeviceColor
DeviceEnclosureColor DevicePublicKey DieID DKPASS DLDeviceIOCallbacks ECID EnableServiceSSL EnableSessionSSL
EnableWifiDebugging EscapedFullServiceName ESCROW EthernetAddress ExternalChargeCapable ExternalConnected
FSTotalBytes FullyCharged getIconPNGData GroupID HardwareModel HardwarePlatform HasSiDP HostCertificate HostID
HumanReadableProductVersionString IntegratedCircuitCardIdentity InternationalCircuitCardIdentity
InternationalMobileEquipmentIdentity InternationalMobileEquipmentIdentity2 InternationalMobileSubscriberIdentity
IsAssociated IsEncrypted iTunesHasConnected iTunesMetadata iTunesSetupComplete kCTPostponementInfo
kCTPostponementStatus kLibUSBMuxVersion Label LocationID MinITunesVersion MLBSerialNumber
MobileEquipmentIdentifier MobileSubscriberCountryCode MobileSubscriberNetworkCode MTU NANDInfo NonVolatileRAM
PairRecordData PartitionType PkHash pngData PostNotification PostponementInfo ProductionSOC ProgName
ProhibitAppDelete ProhibitAppInstall RegionInfo RootCertificate SBLockdownEverRegisteredKey
SDIOManufacturerTuple SDIOProductInfo SerialNumber SettingsReqs SIMGID1 SIMGID2 SIMStatus SIMTrayStatus
SupportedDeviceFamilies SupportedProtocolVersions SupportsWifi SupportsWifiSyncing SyncDataClasses
SyncedApplications SystemBUID TelephonyCapability TimeIntervalSince1970 TimeZoneOffsetFromUTC
TrustedHostAttached UDID UniqueDeviceID
UserID Uses24HourClock WasPasscodeSet WiFiAddress WirelessBoardSerialNumber
"""
KEYS: Final = frozenset(_KEYS.split())
"""Apple's keys that are not common words."""

_SPOKEN: Final = """
Command Domain DLFileErrorString Error ErrorDescription ErrorString Key MessageName MessageType Name Request
Result ReturnAttributes Service Status SyncDataClasses Type command
"""
SPOKEN: Final = frozenset(_SPOKEN.split())
"""Keys whose texts are protocol words: the known ones stay."""

IDENTITIES: Final = frozenset(["UniqueDeviceID", "PairRecordID", "TargetIdentifier", "SourceIdentifier"])
"""Keys whose texts are a UDID; SerialNumber is one where usbmuxd says it."""

BUNDLES: Final = frozenset(["CFBundleIdentifier", "bundleId", "ApplicationIDs"])

_NUMBERS: Final = """
BatteryCurrentCapacity CloudBackupEnabled ConnectionSpeed CurrentAmount CurrentIndex DBVersion DLFileErrorCode
ErrorCode Number PairRecordProtectionClass ProductID ProtocolVersion RequiresEncryption SupportedDeviceFamilies
SupportedProtocolVersions WillEncrypt kLibUSBMuxVersion
"""
NUMBERS: Final = frozenset(_NUMBERS.split())
"""Keys whose numbers are codes, versions and switches."""

_AMOUNTS: Final = """
AmountDataAvailable AmountDataReserved AmountRestoreAvailable DLFileSize TotalDataAvailable TotalDataCapacity
TotalDiskCapacity TotalSystemAvailable TotalSystemCapacity
"""
AMOUNTS: Final = frozenset(_AMOUNTS.split())
"""Keys whose numbers are bytes; they are rounded."""

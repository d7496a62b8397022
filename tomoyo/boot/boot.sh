#!/bin/sh
# The kernel's TOMOYO policy loader: loads a policy set before the first program runs.
#
# The kernel executes it (TOMOYO_loader=) without arguments and waits.  When it ends, the kernel panics if a domain uses
# a profile that is not defined, or if a profile version is wrong.  So: every set is checked before and after it is
# loaded; one that fails is taken out again, and the next is tried; at last all that is left is profile 0 for everything.
# Only the shell is needed.  cat and ls are used where they are, mount where securityfs is not mounted.

# settings: begin
directory=
previous=
state=/var/lib/tomoyo
fallback=yes
search_path=
sizes=
managers=
store=/nix/store
largest_file=268435456
interpreter=/bin/sh
# settings: end

newline='
'
PATH=${search_path:+$search_path:}$PATH
LC_ALL=C
export PATH LC_ALL
unset CDPATH
set -f
IFS=$newline
trap '' HUP INT QUIT PIPE TERM

# No stream may be closed: the next file opened would take its place.
[ -c /dev/null ] && exec </dev/null >/dev/null 2>/dev/null

required='profile.conf
manager.conf
exception_policy.conf
domain_policy.conf'
optional='bindings.conf
stat.conf'
largest_quota=4294967295
quickly_read=1048576
longest_load=300 # seconds of processor time for one file
few=400 # lines that take as long to read as a program to start
tried=
interface=
detach=
reason=
settled=no
known=no
last_manager='<kernel> nix:/tomoyo/bin/tomoyo' # where neither the settings nor manager.conf name one

# busybox starts its own programs quickly.
case $interpreter in
*busybox*) few=30 ;;
esac

# log PRIORITY TEXT: to the kernel log.
log() {
    [ -c /dev/kmsg ] && printf '<%s>tomoyo: %s\n' "$1" "$2" >/dev/kmsg
}

# fail REASON
fail() {
    reason=$1
    return 1
}

# has PROGRAM
has() {
    command -v "$1" >/dev/null
}

# pour: standard input to standard output, but not for ever: the file may be larger than it should be.
pour() {
    command ulimit -t $longest_load
    ! has cat || exec cat
    while IFS= read -r line; do
        printf '%s\n' "$line" || exit 1
    done
}

# gather [LINES]: set "text" to standard input, or its first LINES.
# Shells read byte by byte, which is quicker than starting a program, but only for short texts.
gather() {
    text=
    lines=
    count=0
    while IFS= read -r line; do
        lines=$lines$line$newline
        count=$((count + 1))
        case $count in
        "$1") break ;;
        "$few") lines=$lines$(pour)$newline && break ;;
        *0) text=$text$lines lines= ;; # as it takes long to add to a long text
        esac
    done
    text=$text$lines
}

# bash reads a file in blocks and seeks back, which the kernel's interface files do not do.
[ -z "$BASH_VERSION" ] || eval 'gather() {
    mapfile -n "${1:-0}" lines && printf -v text %s "${lines[@]}"
}'

# ask COMMAND: set "text" to what domain_policy holds after "select COMMAND".
ask() {
    { printf 'select %s\n' "$1" >&3 && gather <&3; } 3<>"$interface/domain_policy"
}

# attach: find the interface files, and mount securityfs where nobody has yet.
attach() {
    interface=/sys/kernel/security/tomoyo
    [ -e $interface/profile ] && return 0
    has mount || fail 'securityfs is not mounted, and there is no mount program' || return 1
    [ -d /sys/kernel/security ] || mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
    for point in /sys/kernel/security /mnt /run /tmp; do
        [ -d $point ] && mount -t securityfs -o nosuid,nodev,noexec securityfs $point || continue
        interface=$point/tomoyo
        [ $point = /sys/kernel/security ] || detach=$point
        [ -e $interface/profile ] && return 0
    done
    fail 'securityfs cannot be mounted'
}

# is_trusted LISTING: whether only root can change what a line of ls -ldn shows.
is_trusted() {
    IFS=' '
    set -- $1
    IFS=$newline
    [ "$3" = 0 ] || fail 'does not belong to root' || return 1
    case $1 in
    # Others may add to a sticky folder, but not replace what is in it.
    l* | d????????[tT]*) ;;
    # For whichever group: with an access control list, this is the most that it grants to anybody.
    ????????w* | ?????w*) fail 'is writable by others than root' ;;
    esac
}

# find_size FILE: set "size" to what is known of it.
find_size() {
    size=
    for known in $sizes; do
        [ "${known%%=*}" != "${1##*/}" ] || size=${known#*=}
    done
}

# is_complete LISTING: whether a file has the size that is known for it.
is_complete() {
    find_size "$1"
    IFS=' '
    set -- $1
    IFS=$newline
    [ "$5" -le $largest_file ] || fail 'is too large' || return 1
    [ "${size:-$5}" = "$5" ] || fail "has $5 bytes instead of $size"
}

# ancestors PATH: set "paths" to it and the folders above, but for the root.
ancestors() {
    path=$1
    paths=$1
    while [ -n "${path%/*}" ]; do
        path=${path%/*}
        paths=$paths$newline$path
    done
}

# inspect FOLDER: whether it holds the files of a set; set "files" to those.
inspect() {
    files=
    for name in $required $optional; do
        file=$1/$name
        [ ! -h "$file" ] || fail "$name is a symbolic link" || return 1
        if [ -f "$file" ]; then
            files=$files$newline$file
        elif [ -e "$file" ]; then
            fail "$name is no regular file" || return 1
        else
            find_size "$file"
            [ "${size:-0}" = 0 ] || fail "$name is missing" || return 1
        fi
    done
    for name in $required; do
        [ -e "$1/$name" ] || fail "$name is missing" || return 1
    done
    for name in profile.conf domain_policy.conf; do
        [ -s "$1/$name" ] || fail "$name is empty" || return 1
    done
}

# judge FOLDER: whether nobody but root can have written the set, and nothing of it is lost.
judge() {
    # Without ls nothing is known: who could write to our own set could as well have written this script.
    has ls || return 0
    listing=$(ls -ldn -- / $paths $files)
    for path in / $paths $files; do
        case $newline$listing$newline in
        *" $path$newline"*) ;;
        *) fail "$path cannot be listed" || return 1 ;;
        esac
    done
    for line in $listing; do
        is_trusted "$line" || fail "/${line#*/} $reason" || return 1
        case $line in
        d????????[tT]*" $1") fail "$1 is writable by others than root" || return 1 ;;
        -*) is_complete "$line" || fail "${line##*/} $reason" || return 1 ;;
        esac
    done
}

# empty INTERFACE: delete each line that it shows.
empty() {
    gather <"$interface/$1"
    for line in $text; do
        printf 'delete %s\n' "$line"
    done >"$interface/$1" || fail "$interface/$1 cannot be written"
}

# clear_domains: take away the domains that the kernel holds, and before them what leads to them.
clear_domains() {
    empty exception_policy || return 1
    ask 'domain=<kernel>'
    for line in $text; do
        case $line in
        '<kernel>') printf '<kernel>\nuse_profile 0\n' ;;
        '<'* | '#'* | use_profile*) ;;
        *) printf 'delete %s\n' "$line" ;;
        esac
    done >"$interface/domain_policy" || fail "$interface/domain_policy cannot be written" || return 1
    ask transition_only
    for line in $text; do
        case $line in
        '<kernel>') ;;
        # Until it is collected, the kernel looks at the profile of a deleted domain, too.
        '<'*) printf '%s\nuse_profile 0\ndelete %s\n' "$line" "$line" ;;
        esac
    done >"$interface/domain_policy"
}

# clear_settings: take away all else; a profile cannot be forgotten, only made harmless.
clear_settings() {
    gather <"$interface/profile"
    for line in $text; do
        prefix=
        case $line in
        '<'*)
            prefix="${line%% *} "
            line=${line#* }
            ;;
        esac
        case $line in
        PROFILE_VERSION=*) printf '%sPROFILE_VERSION=20150505\n%s0-COMMENT=\n' "$prefix" "$prefix" ;;
        *-COMMENT=*) printf '%s%s-COMMENT=\n' "$prefix" "${line%%-*}" ;;
        *-PREFERENCE=*) printf '%s%s={ max_audit_log=1024 max_learning_entry=2048 }\n' "$prefix" "${line%%=*}" ;;
        *-CONFIG=*) printf '%s%s={ mode=disabled grant_log=yes reject_log=yes }\n' "$prefix" "${line%%=*}" ;;
        *-CONFIG::*) printf '%s%s=use_default\n' "$prefix" "${line%%=*}" ;;
        esac
    done >"$interface/profile" || fail "$interface/profile cannot be written" || return 1
    empty manager
    for name in policy 'audit log' 'query message'; do
        printf 'Memory used by %s: 0\n' "$name"
    done >"$interface/stat"
}

# copy FILE INTERFACE: without starting a program where the file is known to be short.
copy() {
    [ -s "$1" ] || return 0
    find_size "$1"
    case $size in
    ? | ?? | ???) gather <"$1" && [ ${#text} = "$size" ] && printf %s "$text" >"$interface/$2" ;;
    *) (pour) <"$1" >"$interface/$2" ;;
    esac || fail "${1##*/} could not be read, or not be written to $2"
}

# find_profiles: set "profiles" to those defined in "text", as NAMESPACE/NUMBER; complain about a version.
find_profiles() {
    profiles=$newline
    for line in $text; do
        namespace='<kernel>'
        case $line in
        '<'*' '*)
            namespace=${line%% *}
            line=${line#* }
            ;;
        esac
        case $line in
        PROFILE_VERSION=20150505 | PROFILE_VERSION=20110903) ;;
        PROFILE_VERSION=*) fail "namespace $namespace has $line, not 20150505" || return 1 ;;
        [0-9]*-*)
            case $profiles in
            *"$newline$namespace/${line%%-*}$newline"*) ;;
            *) profiles=$profiles$namespace/${line%%-*}$newline ;;
            esac
            ;;
        esac
    done
}

# check_profiles FOLDER: set "held" to the profiles that the kernel has now, and "profiles" to those of FOLDER.
check_profiles() {
    gather <"$interface/profile"
    find_profiles || return 1
    held=$profiles
    gather <"$1/profile.conf"
    find_profiles
}

# check_domains: whether the kernel would go on with the domains that it has now.
check_domains() {
    domain=
    ask transition_only
    for line in $text; do
        case $line in
        '<'*)
            domain=$line
            namespace=${line%% *}
            ;;
        'use_profile '*)
            for defined in "$held" "$profiles"; do
                case $defined in
                *"$newline$namespace/${line#* }$newline"*) ;;
                *) fail "profile ${line#* }, used by $domain, is not defined" || return 1 ;;
                esac
            done
            ;;
        esac
    done
    [ -n "$domain" ] || fail 'the domains cannot be read back'
}

# can_execute: whether a program can still be executed: a transition into a namespace without profiles makes every execve fail.
# By its path, for busybox has programs that it need not execute.
can_execute() {
    # Transition control comes first, and only reset_domain leads to another namespace.
    gather 20 <"$interface/exception_policy"
    [ -n "$text" ] || return 0
    for line in $text; do
        case $line in
        *reset_domain*) break ;;
        *_domain*) ;;
        *) return 0 ;;
        esac
    done
    IFS=' '
    set -- $interpreter
    IFS=$newline
    "$@" -c :
}

# release: let programs be executed again, without executing one.
release() {
    until can_execute; do
        for line in $text; do
            printf 'delete %s\n' "$line"
        done >$interface/exception_policy
    done
}

# load FOLDER: all but the quotas.
load() {
    clear_domains || return 1
    # The domains take longest.  As nothing is in force yet, they are loaded while ls tells whether they may be.
    pour <"$1/domain_policy.conf" >"$interface/domain_policy" &
    if ! {
        clear_settings && judge "$1" &&
            copy "$1/profile.conf" profile && copy "$1/manager.conf" manager && check_profiles "$1"
    }; then
        kill -KILL $!
        wait $!
        return 1
    fi
    wait $! || fail 'domain_policy.conf could not be read, or not be written to domain_policy' || return 1
    check_domains || return 1
    # Last, because transition control may keep programs, such as cat, from being executed.
    copy "$1/exception_policy.conf" exception_policy && copy "$1/bindings.conf" exception_policy
    complete=$?
    can_execute && return $complete
    # At once, for ls is needed to tell whether another set can be trusted.
    release
    fail 'with its transitions, no program can be executed any more'
}

# limit FOLDER: set its quotas.  Last, because the kernel panics when one is reached while it is not yet active.
limit() {
    [ -s "$1/stat.conf" ] || return 0
    gather <"$interface/stat"
    for line in $text; do
        case $line in
        'Memory used by policy:'*)
            IFS=' '
            set -- "$1" $line
            IFS=$newline
            used=$6
            ;;
        esac
    done
    gather <"$1/stat.conf"
    # In what a kernel printed, the number behind a colon is no quota, but what was in use.
    is_report=no
    case $newline$text in
    *"${newline}Policy "* | *"${newline}Total "* | *'(Quota:'*) is_report=yes ;;
    esac
    for line in $text; do
        name=${line%%:*}
        case $name in
        'Memory used by policy') least=$((used + 65536)) ;; # programs that are still executed, such as umount, need domains
        'Memory used by audit log' | 'Memory used by query message') least=0 ;;
        *) continue ;;
        esac
        case $is_report$line in
        yes*' (Quota:'*')') quota=${line##*:} quota=${quota%')'} ;;
        yes*) continue ;;
        no*) quota=${line#*:} ;;
        esac
        case $quota in
        *[!0-9\ ]* | *[0-9]' '*) quota= ;;
        esac
        quota=${quota##*' '}
        if [ "$quota" != 0 ] && ! { [ "$quota" -gt $least ] && [ "$quota" -le $largest_quota ]; }; then
            log 3 "$1/stat.conf: the quota for ${name#Memory used by }, $quota, is left out: $used bytes are in use by policy"
            continue
        fi
        printf '%s: %s\n' "$name" "$quota"
    done >"$interface/stat"
}

# use: load the set in "folder".
use() {
    case $folder in
    # busybox has an ls that shows something else.
    *[!\ -~]*) fail 'there are characters other than printable ASCII in its path' || return 1 ;;
    esac
    inspect "$folder" || return 1
    ancestors "$folder"
    load "$folder" && limit "$folder"
}

# use_another LINK: load the set that was in use before, if there is one.
use_another() {
    [ -n "$1" ] && folder=$(cd -P -- "$1" && pwd -P) || return 1
    case $newline$tried$newline in
    *"$newline$folder$newline"*) return 1 ;;
    esac
    tried=$tried$newline$folder
    if ! has ls; then
        fail 'there is no ls to tell whether it can be trusted'
    else
        is_trusted "$(ls -ldn -- "$1")" && use
    fi
    if [ $? = 0 ]; then
        admit no
        log 4 "loaded $folder instead"
    else
        log 3 "$1: $reason"
        return 1
    fi
}

# state_is_trusted: whether nobody but root can have made the links in the state folder.
state_is_trusted() {
    [ -d "$state" ] && has ls || return 1
    [ "$(cd -P -- "$state" && pwd -P)" = "$state" ] || fail 'has a symbolic link in its path' || return 1
    ancestors "$state"
    for line in $(ls -ldn -- / $paths); do
        is_trusted "$line" || return 1
    done
    case $(ls -ldn -- "$state") in
    d????????[tT]*) fail 'is writable by others than root' ;;
    esac
}

# is_own FILE: whether it is one of our own set that only root can have written, and that is quickly read.
# What the folder lets others do does not matter: they could put another script in the place of this one, too.
is_own() {
    [ -f "$own/$1" ] && [ ! -h "$own/$1" ] || return 1
    has ls || return 0
    line=$(ls -ldn -- "$own/$1")
    is_trusted "$line" || return 1
    IFS=' '
    set -- $line
    IFS=$newline
    [ "$5" -le $quickly_read ]
}

# admit PATTERNS: let "managers" change the policy, by the lines that lead to their domains: what is loaded may not know these.
# The store paths of their programs are those that our own set binds; with PATTERNS=yes, any where it binds none.
admit() {
    [ -n "$managers" ] || return 0
    patterns=$1
    transitions=
    names=
    for line in $managers; do
        case $line in
        '<kernel> '*) ;;
        *) continue ;;
        esac
        IFS=' '
        set -- $line
        IFS=$newline
        shift
        transitions="${transitions}initialize_domain $1 from any$newline"
        for name in "$@"; do
            names=$names$name$newline
        done
    done
    if [ -n "$names" ]; then
        for file in exception_policy.conf bindings.conf; do
            is_own $file && gather <"$own/$file" || continue
            for line in $text; do
                line=${line#'<kernel> '}
                case $line in
                'aggregator '*) ;;
                *) continue ;;
                esac
                case $newline$names in
                *"$newline${line##* }$newline"*) transitions=$transitions$line$newline ;;
                esac
            done
        done
    fi
    [ $patterns = yes ] || names=
    for name in $names; do
        case $transitions in
        *" $name$newline"*) continue ;;
        esac
        case $name in
        # Only root can be a manager, so nobody gains from a look-alike; and nothing is confined that could run it.
        nix:/*/*) transitions="${transitions}aggregator $store/\\*/${name#nix:/*/} $name$newline" ;;
        esac
    done
    printf '%s\n' "$managers" >"$interface/manager"
    [ -z "$transitions" ] || printf %s "$transitions" >"$interface/exception_policy"
}

# settle: what is left when no set can be loaded.
settle() {
    settled=yes
    if [ $fallback = no ]; then
        log 2 'no policy could be loaded, and the set says to stop then'
        printf 'PROFILE_VERSION=0\n' >$interface/profile
        return
    fi
    clear_domains
    clear_settings
    for mode in 0=disabled 1=learning 2=permissive 3=enforcing; do
        printf '%s-COMMENT=%s, built in\n' "${mode%=*}" "${mode#*=}"
        printf '%s-CONFIG={ mode=%s grant_log=no reject_log=yes }\n' "${mode%=*}" "${mode#*=}"
    done >$interface/profile
    # Whoever is to repair this must be a manager.
    is_own manager.conf && gather <"$own/manager.conf" && managers=${managers:+$managers$newline}$text
    for line in $managers; do
        case $line in
        '<kernel> '* | /*) known=yes ;;
        esac
    done
    [ $known = yes ] || managers=$last_manager
    admit yes
    # Where there is no store.
    [ $known = yes ] || for folder in /usr/bin /usr/local/bin; do
        printf 'aggregator %s/tomoyo %s\n' $folder "${last_manager#* }"
    done >"$interface/exception_policy"
    log 2 'no policy could be loaded: everything runs unconfined, in profile 0'
}

finish() {
    [ $settled = yes ] || settle
    [ -z "$detach" ] || umount $detach
}

# What ls has not confirmed cannot be relied on.
has ls || sizes=
own=${directory:-${0%/*}}
if ! attach; then
    log 2 "$reason"
    exit 1
fi
trap finish EXIT
if ! cd -P -- "$own"; then
    reason='there is no such folder'
elif own=$PWD folder=$PWD tried=$PWD && cd / && use; then
    settled=yes
    log 6 "loaded $own"
    exit 0
fi
log 3 "$own: $reason"
sizes= # of no other set
if use_another "$previous"; then
    settled=yes
elif state_is_trusted; then
    if use_another "$state/current" || use_another "$state/previous"; then
        settled=yes
    fi
elif [ -d "$state" ]; then
    log 3 "$state is not looked at: it $reason"
fi
[ $settled = yes ]

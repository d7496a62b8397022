#!@busybox@/bin/sh
# Keeps notes: a whole application of the sample system.
set -eu
programs=@busybox@/bin
share=@notes@/share/notes
state=/var/lib/notes
case ${1-} in
add)
    shift
    echo "$*" >>"$state/notes"
    ;;
list) "$programs/cat" "$share/header" "$state/notes" ;;
show) "$programs/cat" "$2" ;;
edit) exec "$EDITOR" "$state/notes" ;;
*) "$programs/cat" "$share/help" ;;
esac

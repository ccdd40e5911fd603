#!/bin/sh
# Mounts a store, works in it with the usual tools, unmounts it and checks it. Needs root and /dev/fuse, and a build
# (npm run build):
#
#     sudo examples/mount-and-list.sh STORE MOUNTPOINT
#
# STORE is made when it does not exist; MOUNTPOINT must be a directory.
set -eu

store=${1:?usage: mount-and-list.sh STORE MOUNTPOINT}
mountpoint=${2:?usage: mount-and-list.sh STORE MOUNTPOINT}
main=$(dirname "$0")/../dist/cli/main.js
holtfs() { node "$main" "$@"; }

# Returns when the mount answers; the server goes on in the background, its log in STORE/holtfs.log.
holtfs mount "$store" "$mountpoint"
# Whatever happens below, no mount is left behind.
trap 'holtfs umount --lazy "$mountpoint"' EXIT

mkdir -p "$mountpoint/letters/2024"
echo 'Dear reader' > "$mountpoint/letters/2024/first"
ln -s 2024/first "$mountpoint/letters/latest"
mv "$mountpoint/letters" "$mountpoint/post"
ls -R "$mountpoint"
cat "$mountpoint/post/latest"

# Returns when the store is closed, so that it can be checked, copied or mounted again.
holtfs umount "$mountpoint"
trap - EXIT
holtfs check "$store"

#!/bin/sh
# A resolvconf(8) of its own, within private network and mount namespaces, and then the program given, in this process's place:
#   resolvconf.sh PACKAGE UPSTREAM PROGRAM ARGUMENT…
# PACKAGE is an unpacked Debian package of it, UPSTREAM the resolver that the record of an interface brought along. Nothing outside the
# namespaces is touched.
set -e
package=$1 upstream=$2
shift 2
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$package/lib:/usr/lib" /usr/lib
mount -t tmpfs tmpfs /run
mkdir -p /run/test/etc /run/resolvconf/interface
cp -a /etc/. /run/test/etc
cp -a "$package/etc/." /run/test/etc
mount --bind /run/test/etc /etc
if [ -d "$package/etc/resolvconf" ]; then
  # Debian's own writes there, and only once it was told that updates are on.
  ln -sf ../run/resolvconf/resolv.conf /etc/resolv.conf
  touch /run/resolvconf/resolv.conf
  "$package/sbin/resolvconf" --enable-updates
fi
PATH="$package/sbin:$PATH"
export PATH
echo "nameserver $upstream" | resolvconf -a eth0
exec "$@"

#!/bin/sh
# A systemd-resolved of its own, within private network and mount namespaces, and then the program given, in this process's place:
#   resolved.sh PACKAGE UPSTREAM PROGRAM ARGUMENT…
# PACKAGE is the unpacked Debian package of it, UPSTREAM the resolver it knows. Nothing outside the namespaces is touched.
set -e
package=$1 upstream=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/test /run/systemd/resolve /run/systemd/resolved.conf.d
cp /etc/passwd /etc/group /run/test
echo 'systemd-resolve:x:990:990::/:/usr/sbin/nologin' >>/run/test/passwd
echo 'systemd-resolve:x:990:' >>/run/test/group
printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\n' >/run/test/resolv.conf
for file in passwd group resolv.conf; do mount --bind "/run/test/$file" "/etc/$file"; done
chown 990:990 /run/systemd/resolve
printf '[Resolve]\nDNS=%s\nLLMNR=no\nMulticastDNS=no\n' "$upstream" >/run/systemd/resolved.conf.d/test.conf
. "$(dirname "$0")/system-bus.sh"
"$package/lib/systemd/systemd-resolved" >/run/test/resolved.log 2>&1 &
PATH="$package/usr/bin:$PATH"
export PATH
for _ in 1 2 3 4 5 6 7 8 9 10; do
  resolvectl status >/dev/null 2>&1 && exec "$@"
  sleep 0.5
done
cat /run/test/resolved.log >&2
exit 1

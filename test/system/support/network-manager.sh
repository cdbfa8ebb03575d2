#!/bin/sh
# A NetworkManager of its own, within private network and mount namespaces, and then the program given, in this process's place:
#   network-manager.sh PACKAGE UPSTREAM PROGRAM ARGUMENT…
# PACKAGE is the unpacked Debian package of it with its libraries, UPSTREAM the resolver its only connection brings along. Nothing outside the
# namespaces is touched.
set -e
package=$1 upstream=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/NetworkManager /run/test/etc /run/test/bin
cp -a /etc/. /run/test/etc
mount --bind /run/test/etc /etc
mount -t tmpfs tmpfs /var/lib
# Where /sys can only be read there is no udev to wait for (NetworkManager: src/libnm-platform/nm-linux-platform.c).
mount -o remount,bind,ro /sys
mkdir -p /var/lib/NetworkManager /etc/NetworkManager/conf.d /etc/NetworkManager/system-connections
cat >/etc/NetworkManager/NetworkManager.conf <<CONF
[main]
plugins=keyfile
no-auto-default=*
dns=default
rc-manager=file
auth-polkit=false
CONF
cat >/etc/NetworkManager/system-connections/line.nmconnection <<CONF
[connection]
id=line
uuid=0d3c6f0e-6a55-4f0f-9f2b-0c8f1c1f2a11
type=ethernet
interface-name=line0
[ipv4]
method=manual
address1=10.7.1.2/24
dns=$upstream;
[ipv6]
method=disabled
CONF
chmod 600 /etc/NetworkManager/system-connections/line.nmconnection
ip link add line0 type veth peer name line1
ip link set line1 up
. "$(dirname "$0")/system-bus.sh"
libraries="$package/usr/lib/$(uname -m)-linux-gnu:$package/lib/$(uname -m)-linux-gnu"
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/bin/nmcli "$@"\n' "$libraries" "$package" >/run/test/bin/nmcli
chmod 755 /run/test/bin/nmcli
PATH="/run/test/bin:$PATH"
export PATH
LD_LIBRARY_PATH="$libraries" "$package/usr/sbin/NetworkManager" --debug >/run/test/manager.log 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  grep -qs "^nameserver $upstream" /etc/resolv.conf && exec "$@"
  sleep 0.5
done
cat /run/test/manager.log >&2
exit 1

#!/bin/sh
# Tries a release on the machine that made it: FOLDER VERSION. Sums, the archive, and the Debian package in a root of its own,
# where there is nothing else: no library, no shell.
set -eu
folder=$1 version=$2
fail() { echo "try-release: $*" >&2; exit 1; }
says() { # WANT COMMAND...
	want=$1; shift
	got=$("$@" 2>&1) || fail "$*: exit code $?: $got"
	case $got in *"$want"*) ;; *) fail "$*: no \"$want\" in: $got" ;; esac
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

(cd "$folder" && sha256sum --quiet -c SHA256SUMS) || fail "the sums are wrong"
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) echo "not run: the programs of this machine's kind are not released"; exit 0 ;; esac

tar -xzf "$folder/adit-$version-linux-$arch.tar.gz" -C "$dir"
for program in adit-server adit-client adit-conform adit-load; do
	says "$version" "$dir/adit-$version-linux-$arch/$program" --version
done
says reference/cmd/adit-server cat "$folder/adit-server.cdx.json"

command -v dpkg >/dev/null || { echo "not run: dpkg is not installed"; exit 0; }
set -- "$folder"/adit_*_"$arch".deb
[ $# = 1 ] || fail "there are $# packages for $arch"
dpkg -x "$1" "$dir/root"
run() { if [ "$(id -u)" = 0 ]; then chroot "$dir/root" "$@"; else program=$1; shift; "$dir/root$program" "$@"; fi; }
for program in adit-server adit-client; do
	says "$version" run "/usr/bin/$program" --version
	says "--config FILE" run "/usr/bin/$program" --help
	[ -s "$dir/root/usr/share/man/man1/$program.1.gz" ] || fail "no manual page of $program"
	grep -q "^ExecStart=/usr/bin/$program " "$dir/root/usr/lib/systemd/system/$program.service" || fail "no unit of $program"
done
[ "$(dpkg-deb -I "$1" conffiles | sort | xargs)" = "/etc/adit/client.yaml /etc/adit/server.yaml" ] || fail "dpkg would not keep the configuration at an upgrade"
echo "release: sums, archive and package are good"

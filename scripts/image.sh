#!/bin/sh
# Builds and runs what Dockerfile describes without a container engine: both stages as chroots of
# Debian with the packages that it names, then the result as its user, on a root that is
# read-only with a tmpfs at /tmp. Needs root and mmdebstrap. IMAGE_DIR keeps the chroots.
set -eu
cd "$(dirname "$0")/.."
fail() { echo "image: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "root is needed, for chroots and mounts"
command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
dir=${IMAGE_DIR:-$(mktemp -d)}
mkdir -p "$dir"
release=$(sed -n 's/^ARG DEBIAN=//p' Dockerfile)
uid=$(sed -n 's/^USER \([0-9]*\):.*/\1/p' Dockerfile)
# Each stage's list of packages, separated by commas.
packages() { sed -n 's/.*apt-get install -y --no-install-recommends \([^\\]*\).*/\1/p' Dockerfile | sed -n "$1p" | tr -s ' ' ',' | sed 's/,$//'; }

stage() { # name, packages
	[ -d "$dir/$1" ] || mmdebstrap --quiet --variant=minbase --include="$2" --aptopt='APT::Install-Recommends "false"' "$release" "$dir/$1"
}
stage build "gcc,libc6-dev,ca-certificates,$(packages 1)"
stage run "$(packages 2)"
mkdir -p "$dir/build/usr/local/go" "$dir/build/go/pkg/mod" "$dir/build/src" "$dir/build/out" "$dir/build/cache"
export dir uid goroot="$(go env GOROOT)" modules="$(go env GOMODCACHE)"

unshare -m sh -euc '
	mount --bind "$goroot" "$dir/build/usr/local/go"
	mount --bind "$modules" "$dir/build/go/pkg/mod"
	mount --bind . "$dir/build/src" && mount -o remount,bind,ro "$dir/build/src"
	mount -t proc proc "$dir/build/proc" && mount --bind /dev "$dir/build/dev"
	exec chroot "$dir/build" env -i PATH=/usr/local/go/bin:/usr/bin:/bin HOME=/root GOPATH=/go GOCACHE=/cache GOPROXY=off GOTOOLCHAIN=local \
		sh -euc "cd /src && go build -buildvcs=false -trimpath -ldflags \"-s -w\" -o /out/tintype ./cmd/tintype"
'
install -m 0755 "$dir/build/out/tintype" "$dir/run/usr/local/bin/tintype"
install -d -o "$uid" -g "$uid" -m 0700 "$dir/run/data"
echo "program: $(stat -c %s "$dir/run/usr/local/bin/tintype") bytes; with all packages: $(du -sxm "$dir/run" | cut -f 1) MB"

unshare -mpf sh -euc '
	photo=$(find internal/testimages -name "*.jpg" -size +8k | sort | head -n 1)
	mount --bind "$dir/run" "$dir/run" && mount -o remount,bind,ro "$dir/run"
	mount -t proc proc "$dir/run/proc" && mount --bind /dev "$dir/run/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$dir/run/tmp"
	mount -t tmpfs -o "mode=0700,uid=$uid,gid=$uid" tmpfs "$dir/run/data"
	cp "$photo" "$dir/run/tmp/photo.jpg" && chmod 0644 "$dir/run/tmp/photo.jpg"
	exec chroot "$dir/run" /usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
		/usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin AWS_EC2_METADATA_DISABLED=true /bin/sh -euc "
			! touch /usr/local/x 2>/dev/null || { echo the root can be written >&2; exit 1; }
			cd /tmp
			tintype up --data /data --endpoint-addr 127.0.0.1:24566 --console-addr 127.0.0.1:24567 --web-addr 127.0.0.1:28007 --app-addr 127.0.0.1:28010 >/tmp/log 2>&1 & up=\$!
			n=0
			until tintype healthcheck http://127.0.0.1:28010/readyz >/dev/null 2>&1 && tintype healthcheck http://127.0.0.1:28007/readyz >/dev/null 2>&1; do
				n=\$((n + 1)); [ \$n -lt 120 ] || { cat /tmp/log; exit 1; }
				sleep 0.5
			done
			tintype upload /tmp/photo.jpg --wait --endpoint-url http://127.0.0.1:24566 || { cat /tmp/log; exit 1; }
			grep confinement /tmp/log
			kill -TERM \$up; wait \$up
			! tintype healthcheck http://127.0.0.1:28010/healthz 2>/dev/null || { echo a tier outlived its signal >&2; exit 1; }
		"
'
[ -n "${IMAGE_DIR:-}" ] || rm -rf "$dir"
echo "image: built, run as $uid on a read-only root, one image processed, stopped by SIGTERM"

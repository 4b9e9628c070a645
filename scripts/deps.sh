#!/bin/sh
# Brings what the build (and with "test" the tests) needs and this machine lacks.
# Says what it installs; asks nothing. Debian/Ubuntu through apt, macOS through Homebrew.
set -eu
for_tests=no
[ "${1:-build}" = test ] && for_tests=yes

fail() { echo "tintype: $*" >&2; exit 1; }

command -v go >/dev/null 2>&1 || fail "Go is missing: install Go 1.26 or newer (https://go.dev/dl) and try again"

# libjpeg-turbo's headers come along with those of libvips on Debian, and are asked for by
# name where they did not.
has_vips() { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists 'vips >= 8.13' && pkg-config --exists libjpeg; }
has_cc() { command -v "${CC:-cc}" >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1; }
has_browser() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; }

# The browser tests check the page with axe-core where it is there, and say so where it is not.
axe_version=4.14.1
axe_sha256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
bring_axe() {
	tools=$(dirname "$0")/../.tools
	[ ! -f "$tools/axe.min.js" ] || return 0
	command -v npm >/dev/null 2>&1 || { echo "tintype: npm is missing, and with it axe-core: accessibility will not be checked" >&2; return 0; }
	dir=$(mktemp -d)
	if (cd "$dir" && npm pack --silent "axe-core@$axe_version" && tar xzf axe-core-*.tgz package/axe.min.js) >/dev/null 2>&1 &&
		[ "$({ sha256sum || shasum -a 256; } 2>/dev/null <"$dir/package/axe.min.js" | cut -d ' ' -f 1)" = $axe_sha256 ]; then
		mkdir -p "$tools"
		mv "$dir/package/axe.min.js" "$tools/axe.min.js"
	else
		echo "tintype: axe-core $axe_version cannot be had from npm: accessibility will not be checked" >&2
	fi
	rm -rf "$dir"
}
[ $for_tests = no ] || bring_axe

want=""
case "$(uname -s)" in
Linux)
	has_cc || want="$want gcc libc6-dev"
	has_vips || want="$want pkg-config libvips-dev libjpeg-dev"
	# The browser tests skip themselves without one, so a failure to get it is no reason to stop.
	browser=""
	[ $for_tests = no ] || has_browser || browser=chromium
	# The tests of alerts and dashboard skip themselves without it.
	prometheus=""
	[ $for_tests = no ] || command -v prometheus >/dev/null 2>&1 || prometheus=prometheus
	[ -n "$want$browser$prometheus" ] || exit 0
	command -v apt-get >/dev/null 2>&1 || {
		[ -n "$want" ] || exit 0
		fail "missing:$want (Debian's names). There is no apt-get here: install libvips 8.13 or newer and libjpeg-turbo with their headers, pkg-config and a C compiler by this system's package manager, then try again"
	}
	run=""
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && run="sudo -n" || {
			[ -n "$want" ] || exit 0
			fail "missing:$want. Run 'sudo apt-get install$want', then try again"
		}
	fi
	echo "tintype: installing with apt:$want $browser $prometheus" >&2
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	install() { $run env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; }
	$run apt-get update >>"$log" 2>&1 || true
	# shellcheck disable=SC2086 # a list of names
	[ -z "$want" ] || install $want || { tail -n 5 "$log" >&2; fail "apt could not install:$want. Run 'apt-get install$want' by hand to see why"; }
	[ -z "$browser" ] || install "$browser" || echo "tintype: no browser could be installed: the browser tests will be skipped" >&2
	[ -z "$prometheus" ] || install "$prometheus" || echo "tintype: Prometheus could not be installed: dashboard and alerts will not be tried on one" >&2
	;;
Darwin)
	has_cc || fail "the C compiler is missing: run 'xcode-select --install', then try again"
	has_vips && exit 0
	command -v brew >/dev/null 2>&1 || fail "libvips or libjpeg-turbo is missing: install Homebrew (https://brew.sh), then try again"
	echo "tintype: installing with Homebrew: vips jpeg-turbo pkg-config" >&2
	NONINTERACTIVE=1 brew install --quiet vips jpeg-turbo pkg-config >&2 || fail "Homebrew could not install vips: run 'brew install vips' to see why"
	;;
*)
	has_vips || fail "libvips 8.13 or newer, libjpeg-turbo, pkg-config and a C compiler are needed: install them, then try again"
	;;
esac
has_vips || fail "libvips and libjpeg were installed but pkg-config does not find libvips 8.13 or newer and libjpeg: run 'pkg-config --modversion vips libjpeg' to see what it finds"

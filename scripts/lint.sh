#!/bin/sh
# Lints with the pinned golangci-lint, or with vet, gofmt and staticcheck where it cannot be had.
set -eu
lint=$1 version=$2
if [ ! -x "$lint" ]; then
	dir=$(dirname "$lint")
	mkdir -p "$dir"
	if GOBIN=$dir GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"; then
		mv "$dir/golangci-lint" "$lint"
	fi
fi
if [ -x "$lint" ]; then
	"$lint" run --timeout 10m ./...
	exit
fi
echo "tintype: golangci-lint $version cannot be had; vet, gofmt and staticcheck instead" >&2
unformatted=$(gofmt -l cmd internal)
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }
go vet ./...
# Deprecated members of the SDK's structs are still sent by clients: SA1019 knows no exceptions here.
go run honnef.co/go/tools/cmd/staticcheck@latest -checks inherit,-SA1019 ./...

#!/bin/sh
# Runs every fuzz function of the tree for the given time each.
set -eu
time=$1
grep -rlE '^func Fuzz' --include='*_test.go' internal | while read -r file; do
	dir=$(dirname "$file")
	sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r name; do
		echo "== ./$dir $name"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$dir"
	done
done

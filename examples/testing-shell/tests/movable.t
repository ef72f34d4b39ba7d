#!/bin/sh
# The same without pytest, for whatever reads TAP: softreserve shell MACHINE -- sh tests/movable.t
echo 1..3
number=0
check() { # TEXT COMMAND...
    number=$((number + 1)) text=$1
    shift
    if "$@" >/dev/null; then echo "ok $number - $text"; else echo "not ok $number - $text"; fi
}
here=$(dirname "$0")
node=/sys/devices/system/node/node1

check "the node has memory that is offline" grep -q offline $node/memory*/state
check "the tool does its work" "$here/../spm-movable"
check "all of it is movable" test "$(sort -u $node/memory*/valid_zones)" = Movable

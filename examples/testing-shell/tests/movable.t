#!/bin/sh
# The same without pytest, in TAP and by the exit code: softreserve shell MACHINE -- sh tests/movable.t
tool=$(dirname "$0")/../spm-movable
node=/sys/devices/system/node/node1
number=0 failed=0

check() { # TEXT COMMAND...
    number=$((number + 1)) text=$1
    shift
    if "$@" >/dev/null; then
        echo "ok $number - $text"
    else
        echo "not ok $number - $text"
        failed=1
    fi
}

echo 1..3
check "the node has memory that is offline" grep -q offline $node/memory*/state
check "the tool does its work" "$tool"
check "all of it is movable" test "$(sort -u $node/memory*/valid_zones)" = Movable
exit $failed

# Each test has a machine of its own: bats tests

machine() { # COMMAND...
    softreserve shell example:two-node --cmdline +memhp_default_state=offline "$@"
}

setup_file() {
    machine --skip-as 77 -- true || export ENDED_WITH=$?
}

setup() {
    [ "${ENDED_WITH:-0}" -ne 77 ] || skip "no program can be run on a machine here"
    cd "$BATS_TEST_DIRNAME/.."
}

@test "all memory of dax devices is movable afterwards" {
    run machine -- sh -c './spm-movable; sort -u /sys/devices/system/node/node1/memory*/valid_zones'
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "dax0.0: node 1" ]
    [ "${lines[1]}" = Movable ]
}

@test "where no dax device is used as memory, that is said" {
    run machine --kernel 6.1 -- ./spm-movable
    [ "$status" -eq 1 ]
    [ "$output" = "spm-movable: no dax device is used as memory" ]
}

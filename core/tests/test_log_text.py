"""What programs put before a message, and the message."""

from __future__ import annotations

import pytest
from softreserve.model.log_text import log_lines, message

SAID = r"Command line: root=/dev/sda1 initrd=\initrd.img"
STAMP = "[    0.000000] "
#: What stands before and after, by who writes it.
FORMS = {
    "dmesg": STAMP + "{}",
    "dmesg -t": "{}",
    "dmesg, with caller": "[    0.000000][    T0] {}",
    "dmesg, with caller apart": "[    0.000000] [    T0] {}",
    "dmesg, with processor": "[    0.000000][   C12] {}",
    "dmesg -r": "<6>" + STAMP + "{}",
    "dmesg -r, with caller": "<6>[    0.000000][    T0] {}",
    "dmesg -x": "kern  :info  : " + STAMP + "{}",
    "dmesg -xT": "kern  :notice: [Sat Nov 21 16:18:01 2026] {}",
    "dmesg -T": "[Sat Nov 21 16:18:01 2026] {}",
    "dmesg -T in another language": "[sam. nov. 21 16:18:01 2026] {}",
    "dmesg -H": "[Nov21 16:18] {}",
    "dmesg -H, later": "[  +0.000001] {}",
    "dmesg -H, in colours": "\x1b[32m[Nov21 16:18] \x1b[0m\x1b[33m{}\x1b[0m",
    "dmesg -d": "[    0.000000 <    0.000000>] {}",
    "dmesg -dT": "[Sat Nov 21 16:18:01 2026 <    0.000000>] {}",
    "dmesg -d --notime": "[<    0.000000>] {}",
    "dmesg --time-format=iso": "2026-11-21T16:18:01,123456+00:00 {}",
    "dmesg -x --time-format=iso": "kern  :info  : 2026-11-21T16:18:01,123456-05:00 {}",
    "journalctl -k": "Nov 21 16:18:01 server kernel: {}",
    "journalctl -k --no-hostname": "Nov 21 16:18:01 kernel: {}",
    "journalctl -k -o short-full": "Sat 2026-11-21 16:18:01 UTC server kernel: {}",
    "journalctl -k -o short-iso": "2026-11-21T16:18:01+0000 server kernel: {}",
    "journalctl -k -o short-iso-precise": "2026-11-21T16:18:01.123456+00:00 my-server.example.org kernel: {}",
    "journalctl -k -o short-precise": "Nov 21 16:18:01.123456 server kernel: {}",
    "journalctl -k -o short-monotonic": "[    0.000000] server kernel: {}",
    "journalctl -k -o short-delta": "[    0.000000 <    0.000000 >] server kernel: {}",
    "journalctl -k -o short-delta, first": "[    0.000000                ] server kernel: {}",
    "journalctl -k -o short-unix": "1763741881.123456 server kernel: {}",
    "journalctl -k -o export": "MESSAGE={}",
    "rsyslog": "Nov 21 16:18:01 server kernel: " + STAMP + "{}",
    "rsyslog, modern": "2026-11-21T16:18:01.123456+00:00 server kernel: " + STAMP + "{}",
    "rsyslog, with the caller": "Nov  1 16:18:01 server kernel: [    0.000000][    T0] {}",
    "syslog with priority": "<6>Nov 21 16:18:01 server kernel: " + STAMP + "{}",
    "syslog with facility": "Nov 21 16:18:01 server kern.info kernel: " + STAMP + "{}",
    "RFC 5424": "<6>1 2026-11-21T16:18:01.123Z server kernel - - - " + STAMP + "{}",
    "RFC 5424, structured": '<6>1 2026-11-21T16:18:01.123Z server kernel - - [origin ip="10.0.0.1"] {}',
    "logread": "Sat Nov 21 16:18:01 2026 kern.info kernel: " + STAMP + "{}",
    "RFC 5424, with an id": "<6>1 2026-11-21T16:18:01.123Z server kernel 0 ID47 - " + STAMP + "{}",
    "tabs of a mailer": "[\t0.000000][\tT0] {}",
    "a table's line": '"2026-11-21","kernel","' + STAMP + '{}"',
    "a list's line": "    '" + STAMP + "{}',",
    "Debian's bug reports": "kernel: " + STAMP + "{}",
    "serial console": STAMP + "{}\r",
    "serial console, padded": "\0\0" + STAMP + "{}          \r",
    "serial console with the logger's clock": "[2026-11-21 16:18:01] " + STAMP + "{}\r",
    "serial console through grabserial": "[0.000001 0.000001] " + STAMP + "{}",
    "serial console through ts": "Nov 21 16:18:01 " + STAMP + "{}",
    "a CI system's job": "2026-11-21T16:18:01.1234567Z " + STAMP + "{}",
    "pstore": "<6>" + STAMP + "{}",
    "mail": "> " + STAMP + "{}",
    "mail, answered twice": ">> > " + STAMP + "{}",
    "indented": "    " + STAMP + "{}",
    "Talos": "kern:    info: [2026-11-21T16:18:01.123456789Z]: {}",
    "Talos, with the node": "10.5.0.2: kern: warning: [2026-11-21T16:18:01.123456789Z]: {}",
    "a container's log": "2026-11-21T16:18:01.123456789Z stdout F " + STAMP + "{}",
    "docker compose": "console-1  | " + STAMP + "{}",
    "kernels before 5.0, after messages that were lost": "** 3 printk messages dropped ** " + STAMP + "{}",
    "other output that ends anywhere": "Loading initial ramdisk ..." + STAMP + "{}",
    "a bug tracker's item": "- " + STAMP + "{}",
    "a bug tracker's item, numbered": "  1. " + STAMP + "{}",
    "a bug tracker's code": "`" + STAMP + "{}`",
    "blanks of a web page": "[\u00a0\u00a0\u00a0 0.000000]\u00a0{}",
    "blanks that a web page made one": "[ 0.000000] {}",
    "crash> log -T": "[Sat Nov 21 16:18:01 UTC 2026] {}",
    "grep -H": "/var/log/kern.log.1:" + STAMP + "{}",
    "grep -H of syslog": "/var/log/messages:Nov 21 16:18:01 server kernel: " + STAMP + "{}",
    "grep -Hn": "dmesg.txt:12:" + STAMP + "{}",
    "grep -n": "12:" + STAMP + "{}",
    "grep -n, beside what was looked for": "12-" + STAMP + "{}",
    "cat -n": "    12\t" + STAMP + "{}",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_known_to_stand_before_a_message_is_taken_off(form: str) -> None:
    assert message(FORMS[form].format(SAID)) == SAID


@pytest.mark.parametrize(
    "line",
    [
        r'{"PRIORITY":"6","MESSAGE":"Command line: root=/dev/sda1 initrd=\\initrd.img","_HOSTNAME":"server"}',
        r'  "MESSAGE" : "Command line: root=/dev/sda1 initrd=\\initrd.img",',
        r'         "msg": "Command line: root=/dev/sda1 initrd=\\initrd.img"',
        r'data: {"PRIORITY":"6","MESSAGE":"Command line: root=/dev/sda1 initrd=\\initrd.img"}',
        '\x1e{"MESSAGE":[' + ",".join(str(byte) for byte in SAID.encode()) + "]}",
        r'{"log":"[    0.000000] Command line: root=/dev/sda1 initrd=\\initrd.img\n","stream":"stdout"}',
        r'{"msg":"Command line: root=/dev/sda1 initrd=\\initrd.img\n","talos-level":"info","facility":"kern"}',
        r'- {"dt": "2026-11-21T16:18:01", "lvl": "target", "msg": "Command line: root=/dev/sda1 initrd=\\initrd.img"}',
        r'[{"insertId": "1", "textPayload": "[    0.0] Command line: root=/dev/sda1 initrd=\\initrd.img"}]',
        r'{"streams":[{"values":[["1763741881","Command line: root=/dev/sda1 initrd=\\initrd.img"]]}]}',
        r'    "[    0.000000] Command line: root=/dev/sda1 initrd=\\initrd.img",',
        r"6,123,0,-;Command line: root=/dev/sda1 initrd=\x5cinitrd.img",
        r"6,123,0,-,caller=T0;Command line: root=/dev/sda1 initrd=\x5cinitrd.img",
    ],
)
def test_what_programs_read_is_spelled_out(line: str) -> None:
    assert message(line) == SAID


def test_what_python_3_11_once_failed_at_is_read() -> None:
    assert message(r"6,1,2,-;y 29 15:02:42 server kernel: \x41") == "A"


def test_a_line_may_hold_several_messages() -> None:
    amazon = r'{"InstanceId": "i-1", "Output": "\r\n[    0.0] a\r\n[    0.1] b \"c\"\r\n"}'
    assert [(line.number, line.message) for line in log_lines("first\n" + amazon)] == [
        (1, "first"),
        (2, "a"),
        (2, 'b "c"'),
    ]
    joined = "a[    0.000000] b[    0.000000][    T0] c"
    assert [line.message for line in log_lines(joined)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "line", ["who: knows Command line: x", "[mem 0x0-0xfff]", "(XEN) x", "x86/mm: x", "acpi/hmat: x", "{", '"', "*** x"]
)
def test_what_is_not_known_stays(line: str) -> None:
    assert message(line) == line


def test_lines_are_counted_as_editors_count_them() -> None:
    found = list(log_lines("a\r\n\r\n  b\x0c c\n[    1.0] d"))
    assert [(line.number, line.message) for line in found] == [(1, "a"), (3, "b c"), (4, "d")]

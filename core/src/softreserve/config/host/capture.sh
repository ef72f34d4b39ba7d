#!/bin/sh
# What decides about the memory of this machine, and what its kernel shows of it, into one tar archive.
# usage: sh capture.sh [FILE]  and then, where softreserve is: softreserve capture --sysroot FILE -o my-server/
# Nothing but FILE is written, whole or not at all. Names and numbers of people, hosts, networks and disks stay here.
set -u
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
out=${1:-capture.tar.gz}
case $out in -*) echo "usage: sh capture.sh [FILE]" >&2 && exit 2 ;; /*) ;; *) out=$PWD/$out ;; esac
part=$out.unfinished
if [ -e "$out" ] || [ -L "$out" ]; then echo "capture.sh: $out is there already" >&2 && exit 2; fi
if ! (set -C && : >"$part") 2>/dev/null; then echo "capture.sh: $part cannot be made" >&2 && exit 2; fi
trap 'rm -f "$part"' EXIT && trap 'exit 1' HUP INT QUIT TERM
# What stays of the log: beginnings of lines; of the command line: names of parameters.
lines='@LINES@'
parameters='@PARAMETERS@'
export LC_ALL PATH lines parameters
private() { # a log, or with 1 a command line
  awk -v cmdline="${1:-}" '
function words(text, n, i, word, name, all, said) {
  n = split(text, all, /[ \t]+/)
  for (i = 1; i <= n && all[i] != "--"; i++) {
    word = name = all[i]; sub(/=.*/, "", name)
    if (name ~ parameters) said = said " " scrubbed(word)
    else if (word ~ /^[A-Za-z_][A-Za-z0-9_.-]*=/ && length(name) < 42) said = said " " name "=***"
  }
  init = init || i <= n; return substr(said, 2)
}
function scrubbed(text) { gsub(uuid, "***", text); gsub(card, "***", text); gsub(home, "***", text); return text }
BEGIN {
  lines = "^(" ENVIRON["lines"] ")"; parameters = "^(" ENVIRON["parameters"] ")$"; home = "/(home|Users|root)/[^ \t/()]+"
  x = "[0-9a-fA-F]"; y = x x x x; uuid = y y "-" y "-" y "-" y "-" y y y; y = x x "[:-]"; card = y y y y y x x
}
cmdline { print words($0); next } { stamp = "" }
match($0, /^\[ *[0-9]+[.][0-9]+\](\[ *[TC][0-9]+\])? /) { stamp = substr($0, 1, RLENGTH); $0 = substr($0, RLENGTH + 1) }
{ bare = $0; sub(/^ +/, "", bare) }
match(bare, /^(Kernel c|C)ommand line: /) {
  heading = substr(bare, 1, RLENGTH); bare = substr(bare, RLENGTH + 1); more = sub(/ \\$/, "", bare)
  print stamp heading (init ? "" : words(bare)) (more ? " \\" : ""); init = init && more; next
}
bare ~ /^Linux version / { gsub(/\([^() \t]*@[^() \t]*\)/, "(***)"); print stamp scrubbed($0); next }
bare ~ lines && tolower(bare) !~ /serial|asset|uuid|cert|x[.]509|loaded|hostname|dmi:/ {
  sub(/Machine model: .*/, "Machine model: ***"); gsub(/[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+/, "***"); print stamp scrubbed($0)
}'
}
tarred() { # members of an archive: with a name, of standard input; \001 is the byte 0, which not every awk knows
  awk -v as="${1:-}" '
function field(text, width) { return text substr(zeros, 1, width - length(text)) }
function header(name, size, kind, target, mode, prefix, head, tail, bare, sum, i) {
  for (; length(name) > 100 && (i = index(name, "/")); name = substr(name, i + 1)) prefix = prefix substr(name, 1, i)
  sub(/\/$/, "", prefix); head = field(name, 100) "0000" mode z "0000000" z "0000000" z sprintf("%011o", size) z "00000000000" z
  tail = kind field(target, 100) "ustar" z "00" field("", 64) "0000000" z "0000000" z field(prefix, 167)
  bare = head tail; gsub(z, "", bare); sum = 256
  for (i = length(bare); i; i--) sum += ord[substr(bare, i, 1)]
  printf "%s%06o%s %s", head, sum, z, tail
}
function padding(size) { return substr(zeros, 1, (512 - size % 512) % 512) }
function member(name, text) { header(name, length(text), "0", "", "444"); printf "%s%s", text, padding(length(text)) }
BEGIN { for (zeros = z = "\001"; length(zeros) < 1024;) zeros = zeros zeros; for (i = 2; i < 256; i++) ord[sprintf("%c", i)] = i }
as != "" { content = content $0 "\n"; next }
/^d/ { header($2 "/", 0, "5", "", "755") }
/^l/ { header($2, 0, "2", $3, "777") }
/^b/ { header($2, $3, "0", "", "444") }
/^[pe]/ { printf "%s", /^p/ ? padding($3) : zeros }
/^f/ { file = $2; text = ""; while ((getline line < file) > 0) text = text line "\n"; close(file); if (text != "") member(file, text) }
END { if (content != "") member(as, content) }' | tr '\001' '\000'
}
log() { # the first that begins with the boot
  for source in dmesg "cat var/log/dmesg" "journalctl -k -b -o cat --no-pager" dmesg; do
    if $source 2>/dev/null | grep -q "Linux version "; then break; fi
  done
  $source 2>/dev/null
}
cd / || exit 1
if [ "$(echo x | tarred x 2>/dev/null | wc -c)" -ne 1024 ]; then echo "capture.sh: awk or tr do not work here" >&2 && exit 1; fi
{
  log | private | tarred dmesg
  uname -m | tarred uname-m; getconf PAGESIZE 2>/dev/null | tarred pagesize
  head -n 1 proc/cmdline | private 1 | tarred proc/cmdline
  { gzip -dc proc/config.gz || cat "boot/config-$(uname -r)" "lib/modules/$(uname -r)/config"; } 2>/dev/null |
    grep -E '^(# )?CONFIG_[A-Za-z0-9_]+(=([ym]|-?[0-9]+|0x[0-9a-fA-F]+)| is not set)$' | tarred "boot/config-$(uname -r)"
  grep -E '^(processor|vendor_id|flags|address sizes|CPU implementer)' proc/cpuinfo | tarred proc/cpuinfo
  grep -Eo '^(dax|device_dax|kmem|cxl|nd_|nfit|libnvdimm|hmem)[a-z0-9_]*' proc/modules 2>/dev/null | tarred proc/modules
  (cd sys/firmware/acpi/tables 2>/dev/null && echo *) | tarred acpi-tables
  set -- sys/devices/system/node sys/devices/system/memory sys/devices/virtual/memory_tiering sys/devices/platform/hmem* \
    sys/bus/dax sys/firmware/memmap sys/firmware/efi/runtime-map
  for at in sys/bus/dax/devices/*; do at=$(cd -P "$at" 2>/dev/null && pwd -P) && set -- "$@" "${at#/}"; done
  {
    for at in proc/iomem proc/sys/kernel/osrelease $(ls -d sys/firmware/efi/[cfrs]* 2>/dev/null); do [ -d "$at" ] || echo "f $at"; done
    find "$@" -name power -prune -o -type d -print | sort -u | sed 's/^/d /'
    find "$@" -name power -prune -o -type l ! -name subsystem -exec ls -ld {} + | awk '{ print "l", $(NF - 2), $NF }' | sort -u
    find "$@" -name power -prune -o -type f ! -name uevent ! -name meminfo ! -name "*stat" -print | sort -u | sed 's/^/f /'
  } 2>/dev/null | tarred
  for at in APIC CEDT HMAT SLIT SRAT; do
    at=sys/firmware/acpi/tables/$at && [ -r "$at" ] && size=$(wc -c <"$at") && [ "$size" -gt 0 ] || continue
    echo "b $at $size" | tarred && cat "$at" && echo "p $at $size" | tarred
  done
  echo e | tarred
} | gzip -c >"$part" && mv "$part" "$out" && exit 0
echo "capture.sh: $out cannot be written" >&2 && exit 1

#!/usr/bin/env bash
# Usage: ceiling_loops_test.sh CXX SOURCE_DIR
# Each loop that measures a compute ceiling holds as many instructions of its unit as the operations it is credited
# with (tests/unit/ceilings_test.cc), on registers of that width: one dropped or doubled would put the ceiling off,
# and no timing can tell. Counted in the machine code between the loop's first instruction and its jump back.
set -euo pipefail
cxx=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# count FUNCTION INSTRUCTION REGISTER EXPECTED
count() {
  local found
  found=$(awk -v name="$1" -v instruction="$2" -v register="$3" '
    /^[0-9a-f]+ <.*>:$/ { inside = index($0, name) > 0; next }
    inside && NF > 1 {
      address = $1
      sub(/:$/, "", address)
      at[++n] = address
      is_one[n] = $2 == instruction && index($0, register) > 0
      if ($2 !~ /^j/) next
      for (first = n; first > 0 && at[first] != $3; --first) {}
      for (found = 0; first > 0 && first <= n; ++first) found += is_one[first]
      if (found > most) most = found
    }
    END { print most + 0 }' "$work/loops.txt")
  if [ "$found" != "$4" ]; then
    echo "$1: $found $2 on $3 an iteration, not $4"
    status=1
  fi
}

disassemble() {
  "$cxx" -std=c++20 -O2 -march=x86-64-v2 -I "$source/src" -I "$source/include" -c "$source/$1" -o "$work/loops.o"
  objdump -d --no-show-raw-insn "$work/loops.o" >"$work/loops.txt"
}

disassemble src/engines/cpu/ceilings/loops_x86.cc
count mul_add_sse mulps %xmm 14
count mul_add_sse addps %xmm 14
count fma_avx2 vfmadd213ps %ymm 14
count fma_avx512 vfmadd213ps %zmm 24
count vdpbf16ps_avx512 vdpbf16ps %zmm 24
count tdpbf16ps_amx tdpbf16ps %tmm 4
disassemble src/engines/cpu/ceilings/loops_other.cc
count fma_portable mulps %xmm 24
count fma_portable addps %xmm 24
exit "$status"

#!/usr/bin/env bash
# Usage: tile_barrier_test.sh COMPILER SOURCE_DIR
# Fails where the compiler, at -O3, moves stores past a tile load of tiles.h, or drops them, as GCC 12 does with its own
# intrinsics, which have no memory clobber. Needs no CPU with tiles: it reads the assembly.
set -euo pipefail
compiler=$1
source=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/probe.cc" <<'PROBE'
#include <immintrin.h>

#include "engines/cpu/fused/tiles.h"
#ifdef INTRINSICS
#define LOAD _tile_loadd(0, buffer, 64)
#else
#define LOAD attnbench::cpu::fused::AmxTiles::load<0>(buffer, 64)
#endif
__attribute__((target("amx-tile,amx-bf16"))) void probe(int* buffer) {
  buffer[0] = 1001001;
  LOAD;
  buffer[0] = 2002002;
  LOAD;
  buffer[0] = 3003003;
}
PROBE
order() {
  "$compiler" -std=c++20 -O3 -march=x86-64-v2 -I "$source/src" "$@" -S -o - "$dir/probe.cc" |
    grep -oE '1001001|2002002|3003003|tileloadd' | paste -sd' '
}
found=$(order)
if [ "$found" != "1001001 tileloadd 2002002 tileloadd 3003003" ]; then
  echo "tile loads of tiles.h are not in program order: $found"
  exit 1
fi
echo "stores and tile loads are in program order; with the compiler's intrinsics: $(order -DINTRINSICS)"

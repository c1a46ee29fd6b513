#!/usr/bin/env bash
# Usage: tools/check_includes.sh [DIR]
# Fails where a source file of the tree at DIR (default: this one) breaks the dependency rules of
# docs/architecture.md: which folder may include which, who may see a vendor's headers and the slowest ones, no
# #ifdef for engines or for systems.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

find include src apps -name '*.h' -o -name '*.cc' | sort | xargs -d '\n' awk '
BEGIN {
  # What each folder may include besides itself and the public headers.
  may["public"] = ""
  may["core"] = ""
  may["engine"] = "core"
  may["registry"] = "core"
  may["reference"] = "core"
  may["stats"] = "core"
  may["io"] = "core"
  may["plan"] = "core io"
  may["store"] = "core io plan"
  may["dispatch"] = "core registry io"
  may["run"] = "core registry reference stats io plan store"
  may["tune"] = "core registry reference io stats plan store run dispatch"
  may["analysis"] = "core stats io plan store"
  may["claims"] = "core stats io plan analysis"
  may["report"] = "core stats io plan store analysis claims"
  may["apps"] = "core registry reference stats io plan store run dispatch tune analysis claims report"
  # This engine computes on the devices of another.
  may["engine cudnn"] = "cuda"
  vendor = "^(oneapi/)?(dnnl|hwy|mlx|torch|ATen|cuda|cudnn|cublas|cutlass)([_./]|$)"
}

function folder_of(path,    parts) {
  split(path, parts, "/")
  if (parts[1] == "include") return "public"
  if (parts[1] == "apps") return "apps"
  return parts[2] == "engines" ? "engine" : parts[2]
}
function complain(problem) {
  printf "%s:%d: %s\n", FILENAME, FNR, problem
  bad = 1
}

FNR == 1 {
  folder = folder_of(FILENAME)
  split(FILENAME, parts, "/")
  engine = folder == "engine" ? parts[3] : ""
  if (!(folder in may)) complain("src/" folder " has no dependency rule in tools/check_includes.sh")
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
  target = $0
  sub(/^[^<"]*[<"]/, "", target)
  sub(/[>"].*$/, "", target)
  if (target ~ /(^|\/)\.\.\//) complain("includes " target ": name headers from src/ or include/, without ..")
  if (target ~ vendor && folder != "engine")
    complain("includes " target ": vendor headers stay in src/engines")
  if (target == "nlohmann/json.hpp" && FILENAME ~ /\.h$/)
    complain("includes " target ": headers know no more than <nlohmann/json_fwd.hpp>")
  if (target ~ /^boost\// && FILENAME != "src/stats/quantiles.cc")
    complain("includes " target ": Boost stays in src/stats/quantiles.cc")
  if (target ~ /^CLI\// && FILENAME !~ /^apps\/attnbench\/(command|main)\.cc$/)
    complain("includes " target ": CLI11 stays in apps/attnbench/command.cc and main.cc")
  if ($0 ~ /</ || target !~ /\// || target ~ /^attnbench\// || target ~ vendor) next
  split(target, parts, "/")
  owner = parts[1] == "engines" ? "engine" : parts[1]
  if (owner == "engine" && folder == "engine") {
    if (parts[2] != engine && parts[2] != may["engine " engine]) complain("engine " engine " includes " target ": engines do not include each other")
  } else if (owner != folder && index(" " may[folder] " ", " " owner " ") == 0) {
    complain(folder " includes " target ": may include " (may[folder] == "" ? "public headers" : may[folder]))
  }
}

/^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)[ \t].*(DNNL|HWY_|CUDA|CUDNN|MLX|TORCH|ATTNBENCH_(WITH|HAS|ENABLE|USE)_)/ {
  if (folder != "engine") complain("asks for an engine at compile time: a missing engine is a folder not built")
}

/^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|elifndef)[ \t].*(__APPLE__|__MACH__|TARGET_OS_|__linux|linux__|__gnu_linux__|__GLIBC__)/ {
  complain("asks for a system at compile time: files named *_linux.cc and *_macos.cc are compiled there alone")
}

END { exit bad }
' && echo "include rules hold"

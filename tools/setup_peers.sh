#!/usr/bin/env bash
# Fetches what engines of other makers need besides Debian packages, in the versions that the repository names. Does
# nothing where it is there. What cannot be had is said, the engines that need it are left out, and nothing else fails.
#   src/engines/*/requirements.txt  wheels with headers and libraries, checked by their hashes, unpacked into build/peers
#   src/engines/ggml/source.txt     the source package of ggml, checked the same, compiled into build/peers/ggml
#   peers/requirements.txt          the Python environment build/peers-venv of the programs in peers/
# With PYTORCH=1 also PyTorch, some gigabytes, into that environment (peers/pytorch.requirements.txt); with CUDA_PEERS=1 PyTorch and
# the libraries for NVIDIA GPUs that are called from it (peers/cuda.requirements.txt).
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build/peers
part=$(mktemp -d build/peers.XXXXXX)
trap 'rm -rf $part' EXIT
failed=false
pip() { build/peers-venv/bin/pip "$1" --quiet --disable-pip-version-check "${@:2}"; }
missing() {
  echo "setup: $1" >&2
  failed=true
}

environment() {
  cmp -s peers/requirements.txt build/peers-venv/requirements.txt && return
  python3 -m venv --clear build/peers-venv
  if pip install -r peers/requirements.txt; then
    cp peers/requirements.txt build/peers-venv/requirements.txt
  else
    missing "pip could not install peers/requirements.txt into build/peers-venv; peers/*.py need it"
  fi
}

pytorch() {
  [ -z "${PYTORCH:-}${CUDA_PEERS:-}" ] || pip install -r peers/pytorch.requirements.txt ||
    missing "pip could not install peers/pytorch.requirements.txt into build/peers-venv; peers/pytorch.py needs it"
}

cuda_peers() {
  [ -z "${CUDA_PEERS:-}" ] || pip install -r peers/cuda.requirements.txt ||
    missing "pip could not install peers/cuda.requirements.txt into build/peers-venv; peers/flash_*.py need it"
}

wheels() {
  cat src/engines/*/requirements.txt >"$part/requirements.txt"
  cmp -s "$part/requirements.txt" build/peers/requirements.txt && return
  find build/peers -mindepth 1 -maxdepth 1 ! -name ggml -exec rm -rf {} +
  if pip install --no-deps --only-binary=:all: --require-hashes --target build/peers -r "$part/requirements.txt"; then
    mv "$part/requirements.txt" build/peers/requirements.txt
  else
    missing "pip could not fetch what src/engines/*/requirements.txt name; the engines that need it are left out"
  fi
}

# For this machine's CPU, as who uses it compiles it; on another CPU it is compiled anew.
compile_ggml() {
  pip download --no-deps --no-binary=:all: --require-hashes --dest "$part" -r src/engines/ggml/source.txt || return
  # By options that a Mac's tar has too.
  tar -xzf "$part"/llama_cpp_python-*.tar.gz -C "$part" || return
  mv "$part"/llama_cpp_python-*/vendor/llama.cpp/ggml "$part/ggml" || return
  touch "$part/ggml/ggml.pc.in" # which the package lacks
  local compiler=() # an empty list is an unset variable to a Mac's bash 3.2
  if [ "$(uname -s)" = Linux ]; then # whose OpenMP runtime is that of the program
    compiler=(-DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DGGML_OPENMP=ON)
  fi
  cmake -S "$part/ggml" -B "$part/build" ${compiler[@]+"${compiler[@]}"} -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_PREFIX="$PWD/$part/installed" -DCMAKE_INSTALL_LIBDIR=lib \
    -DGGML_NATIVE=ON -DGGML_LLAMAFILE=ON -DGGML_METAL=OFF -DGGML_BLAS=OFF -DGGML_BUILD_TESTS=OFF \
    -DGGML_BUILD_EXAMPLES=OFF -DGGML_CCACHE=OFF >"$part/log" 2>&1 &&
    cmake --build "$part/build" --parallel "$(nproc 2>/dev/null || sysctl -n hw.ncpu)" >>"$part/log" 2>&1 &&
    cmake --install "$part/build" >>"$part/log" 2>&1 && return
  tail -n 20 "$part/log" >&2
  return 1
}

ggml() {
  {
    cat src/engines/ggml/source.txt
    grep -m1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null || sysctl -n machdep.cpu.brand_string
  } >"$part/source.txt"
  cmp -s "$part/source.txt" build/peers/ggml/source.txt && return
  rm -rf build/peers/ggml
  if compile_ggml; then
    mv "$part/source.txt" "$part/installed/source.txt"
    mv "$part/installed" build/peers/ggml
  else
    missing "ggml could not be fetched and compiled; engine ggml is left out"
  fi
}

environment
pytorch
cuda_peers
wheels
ggml
! $failed

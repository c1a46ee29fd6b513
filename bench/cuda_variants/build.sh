#!/bin/sh
# build.sh FOLDER: builds FOLDER/bench_cuda_variants with nvcc alone, apart from the project's own build.
set -e
cd "$(dirname "$0")/../.."
out=$1
mkdir -p "$out"
nvcc=${NVCC:-nvcc}
flags="-std=c++20 -O3 -gencode arch=compute_90a,code=sm_90a -Iinclude -Isrc -Ibench"
for name in persistent existing main; do
  $nvcc $flags -MD -MF "$out/$name.d" -c bench/cuda_variants/$name.cu -o "$out/$name.o"
done
$nvcc $flags -x cu -c src/engines/cuda/fused/work_list.cc -o "$out/work_list.o"
$nvcc -o "$out/bench_cuda_variants" "$out"/persistent.o "$out"/existing.o "$out"/main.o "$out"/work_list.o \
  -Xcompiler -static-libstdc++,-static-libgcc

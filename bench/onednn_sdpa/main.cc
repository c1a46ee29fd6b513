// Times oneDNN's fused scaled-dot-product attention (Graph API, oneDNN 3.7 or later) on one thread. Answers
// requests of bench/peers/peers.py, lines "dtype head_dim seqlen": times a batch of calls, after an untimed
// one, and prints library,form,dtype,threads,head_dim,seqlen,seconds and an empty line.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <oneapi/dnnl/dnnl_graph.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace dnnl::graph;
using data_type = logical_tensor::data_type;
constexpr std::int64_t kHeads = 8;

/// f32 values, or the upper halves of such values.
std::vector<std::uint32_t> normal_values(std::int64_t count, bool bf16, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(bf16 ? (count + 1) / 2 : count));
  for (auto& word : words) {
    const auto bits = [&] {
      const float value = normal(engine);
      std::uint32_t out = 0;
      std::copy_n(reinterpret_cast<const unsigned char*>(&value), 4, reinterpret_cast<unsigned char*>(&out));
      return out;
    };
    word = bf16 ? (bits() >> 16) | (bits() & 0xffff0000U) : bits();
  }
  return words;
}

/// Seconds of a call; 0 where oneDNN does not fuse the four operations into one.
double measure(bool bf16, std::int64_t seqlen, std::int64_t head_dim) {
  const auto type = bf16 ? data_type::bf16 : data_type::f32;
  const auto strided = logical_tensor::layout_type::strided;
  const logical_tensor::dims rows{1, kHeads, seqlen, head_dim};
  const logical_tensor::dims square{1, kHeads, seqlen, seqlen};
  // In bf16 it fuses only where the scores are declared bf16 too.
  const logical_tensor q(0, type, rows, strided), k(1, type, rows, strided), v(2, type, rows, strided);
  const logical_tensor factor(3, type, logical_tensor::dims{1}, strided);
  const logical_tensor scores(4, type, square, strided), scaled(5, type, square, strided);
  const logical_tensor weights(6, type, square, strided), out(7, type, rows, strided);

  op products(0, op::kind::MatMul, {q, k}, {scores}, "products");
  products.set_attr<bool>(op::attr::transpose_b, true);
  const op scale(1, op::kind::Multiply, {scores, factor}, {scaled}, "scale");
  op softmax(2, op::kind::SoftMax, {scaled}, {weights}, "softmax");
  softmax.set_attr<std::int64_t>(op::attr::axis, -1);
  const op values(3, op::kind::MatMul, {weights, v}, {out}, "values");

  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  graph graph(dnnl::engine::kind::cpu);
  graph.add_op(products);
  graph.add_op(scale);
  graph.add_op(softmax);
  graph.add_op(values);
  graph.finalize();
  const auto partitions = graph.get_partitions();
  if (partitions.size() != 1) return 0;
  const auto compiled = partitions[0].compile({q, k, factor, v}, {out}, engine);

  const auto count = kHeads * seqlen * head_dim;
  auto q_data = normal_values(count, bf16, 1);
  auto k_data = normal_values(count, bf16, 2);
  auto v_data = normal_values(count, bf16, 3);
  auto o_data = normal_values(count, bf16, 4);
  const float rsqrt = 1 / std::sqrt(static_cast<float>(head_dim));
  std::uint32_t factor_data = 0;
  std::copy_n(reinterpret_cast<const unsigned char*>(&rsqrt), 4,
              reinterpret_cast<unsigned char*>(&factor_data));
  if (bf16) factor_data >>= 16;
  const std::vector<tensor> inputs{{q, engine, q_data.data()},
                                   {k, engine, k_data.data()},
                                   {factor, engine, &factor_data},
                                   {v, engine, v_data.data()}};
  const std::vector<tensor> outputs{{out, engine, o_data.data()}};
  const auto call = [&] {
    compiled.execute(stream, inputs, outputs);
    stream.wait();
  };
  using Clock = std::chrono::steady_clock;
  const auto seconds_of = [&](int calls) {
    const auto start = Clock::now();
    for (int n = 0; n < calls; ++n) call();
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
  };
  call();
  const int batch = std::max(1, static_cast<int>(3e-4 / seconds_of(1)));
  seconds_of(batch);
  return seconds_of(batch);
}

}  // namespace

int main(int, char** argv) {
  // oneDNN's OpenMP read the variable when it was loaded, so the program starts again with it.
  if (const char* threads = std::getenv("OMP_NUM_THREADS");
      threads == nullptr || std::string_view(threads) != "1") {
    setenv("OMP_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
    return 1;
  }
  const auto* version = dnnl_version();
  std::string type;
  std::int64_t head_dim = 0, seqlen = 0;
  while (std::cin >> type >> head_dim >> seqlen) {
    const auto seconds = measure(type == "bf16", seqlen, head_dim);
    if (seconds > 0) {
      fmt::print("oneDNN {}.{}.{},graph sdpa,{},1,{},{},{:.9g}\n", version->major, version->minor,
                 version->patch, type, head_dim, seqlen, seconds);
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
}

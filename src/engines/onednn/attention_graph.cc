#include "engines/onednn/attention_graph.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>

namespace attnbench::onednn {
namespace {

namespace dg = dnnl::graph;
using Dims = dg::logical_tensor::dims;

constexpr auto kType = dg::logical_tensor::data_type::f32;

/// What oneDNN logs while this lives. It writes to the standard output and knows no other place.
class Log {
 public:
  Log() : file_(memfd_create("onednn-log", MFD_CLOEXEC)) {
    std::fflush(stdout);
    stdout_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (file_ < 0 || stdout_ < 0 || dup2(file_, STDOUT_FILENO) < 0)
      throw std::runtime_error("oneDNN's log cannot be read");
    dnnl::set_verbose(2);
  }
  ~Log() {
    end();
    close(file_);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  std::string text() {
    end();
    std::string all(static_cast<std::size_t>(std::max<off_t>(lseek(file_, 0, SEEK_END), 0)), '\0');
    const auto got = pread(file_, all.data(), all.size(), 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return all;
  }

 private:
  void end() {
    if (stdout_ < 0) return;
    dnnl::set_verbose(0);
    std::fflush(stdout);
    dup2(stdout_, STDOUT_FILENO);
    close(stdout_);
    stdout_ = -1;
  }

  int file_, stdout_ = -1;
};

/// "...,graph,compile:cache_miss,...,fpm:strict,sdp_decomp_kernel_t,dnnl_backend,71.1": the last but two.
std::string kernel_in(const std::string& log) {
  const auto start = log.rfind(",graph,compile");
  if (start == std::string::npos) return {};
  auto line = log.substr(start, log.find('\n', start) - start);
  for (int fields = 0; fields < 2; ++fields) line.resize(std::min(line.size(), line.rfind(',')));
  return line.substr(std::min(line.size(), line.rfind(',') + 1));
}

/// How heads are dimensions: (heads), or of grouped ones (kv heads, heads of a group).
struct Heads {
  explicit Heads(const Problem& problem)
      : kv(problem.mechanism.num_kv_heads),
        group(problem.shape.num_q_heads / kv),
        grouped(kv > 1 && group > 1) {}
  std::int64_t kv, group;
  bool grouped;
};

Dims dims_of(const Heads& heads, std::int64_t batch, std::int64_t view_heads, std::int64_t rows,
             std::int64_t columns) {
  if (!heads.grouped) return {batch, view_heads, rows, columns};
  return {batch, heads.kv, view_heads / heads.kv, rows, columns};
}

dg::logical_tensor describe(std::size_t id, const TensorView& view, std::int64_t rows, const Heads& heads) {
  const auto& s = view.strides;
  const auto dims = dims_of(heads, view.sizes[0], view.sizes[1], rows, view.sizes[3]);
  if (!heads.grouped) return {id, kType, dims, {s[0], s[1], s[2], s[3]}};
  return {id, kType, dims, {s[0], s[1] * dims[2], s[1], s[2], s[3]}};
}

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

void set_threads(int threads) {
  using SetNumThreads = void (*)(int);
  static const auto set = reinterpret_cast<SetNumThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  if (set != nullptr) set(threads);
}

bool needs_mask(const Problem& problem, std::int64_t keys) {
  const auto queries = std::min(problem.shape.seqlen_q, keys);
  const auto sees_all = [&](std::int64_t position) {
    return allowed_keys(problem.mechanism, position, keys).size() == keys;
  };
  return !sees_all(keys - queries) || !sees_all(keys - 1);
}

AttentionGraph compile(const Problem& problem, const Tensors& tensors, int threads) {
  const auto& q_view = tensors[Role::q];
  const auto keys = tensors[Role::k].sizes[2];
  const auto queries = std::min(problem.shape.seqlen_q, keys);
  const Heads heads(problem);
  const auto strided = dg::logical_tensor::layout_type::strided;
  const auto scores_of = [&](std::size_t id) {
    return dg::logical_tensor(id, kType, dims_of(heads, q_view.sizes[0], q_view.sizes[1], queries, keys),
                              strided);
  };
  const auto q = describe(0, q_view, queries, heads);
  const auto k = describe(1, tensors[Role::k], keys, heads);
  const auto v = describe(2, tensors[Role::v], keys, heads);
  const dg::logical_tensor scale(3, kType, Dims{1}, strided);
  const dg::logical_tensor mask(
      4, kType, heads.grouped ? Dims{1, 1, 1, queries, keys} : Dims{1, 1, queries, keys}, strided);
  const auto scores = scores_of(5), scaled = scores_of(6), masked = scores_of(7), weights = scores_of(8);
  const auto o = describe(9, tensors[Role::o], queries, heads);
  const bool with_mask = needs_mask(problem, keys);

  dg::op first(0, dg::op::kind::MatMul, {q, k}, {scores}, "q_k");
  first.set_attr<bool>(dg::op::attr::transpose_b, true);
  const dg::op multiply(1, dg::op::kind::Multiply, {scores, scale}, {scaled}, "scale");
  const dg::op add(2, dg::op::kind::Add, {scaled, mask}, {masked}, "mask");
  dg::op softmax(3, dg::op::kind::SoftMax, {with_mask ? masked : scaled}, {weights}, "softmax");
  softmax.set_attr<std::int64_t>(dg::op::attr::axis, -1);
  const dg::op second(4, dg::op::kind::MatMul, {weights, v}, {o}, "weights_v");
  dg::graph graph(dnnl::engine::kind::cpu);
  graph.add_op(first);
  graph.add_op(multiply);
  if (with_mask) graph.add_op(add);
  graph.add_op(softmax);
  graph.add_op(second);
  graph.finalize();
  const auto partitions = graph.get_partitions();
  if (partitions.size() != 1)
    throw std::runtime_error(fmt::format("oneDNN makes {} partitions of attention", partitions.size()));

  AttentionGraph made{{}, {q, k, scale}, o, {}};
  if (with_mask) made.inputs.push_back(mask);
  made.inputs.push_back(v);
  static std::mutex one_log_at_a_time;
  const std::lock_guard lock(one_log_at_a_time);
  set_threads(threads);
  Log log;
  made.compiled = partitions[0].compile(made.inputs, {o}, engine());
  made.kernel = kernel_in(log.text());
  return made;
}

}  // namespace attnbench::onednn

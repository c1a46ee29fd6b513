#include "engines/ggml/module/execution.h"

#include <chrono>
#include <cstring>
#include <map>
#include <new>
#include <stdexcept>

#include "engines/ggml/module/graph.h"

namespace attnbench::ggml {
namespace {

constexpr std::align_val_t kLine{64};

/// Bytes that have been touched.
class Memory {
 public:
  explicit Memory(std::int64_t bytes)
      : data_(static_cast<std::byte*>(::operator new(static_cast<std::size_t>(bytes), kLine))),
        bytes_(bytes) {
    std::memset(data_, 0, static_cast<std::size_t>(bytes));
  }
  ~Memory() { ::operator delete(data_, kLine); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  std::int64_t bytes_;
};

/// Tensors of the problem's sizes that have no memory.
Tensors without_memory(const Problem& problem) {
  const auto& s = problem.shape;
  const auto view = [&](DType dtype, std::int64_t heads, std::int64_t rows, std::int64_t width) {
    return TensorView{
        nullptr, dtype, {s.batch, heads, rows, width}, {heads * rows * width, rows * width, width, 1}};
  };
  Tensors tensors;
  const auto kv_heads = problem.mechanism.num_kv_heads;
  tensors[Role::q] = view(s.dtype_q, s.num_q_heads, s.seqlen_q, s.head_dim_qk);
  tensors[Role::k] = view(s.dtype_kv, kv_heads, s.seqlen_kv, s.head_dim_qk);
  tensors[Role::v] = view(s.dtype_kv, kv_heads, s.seqlen_kv, s.head_dim_v);
  tensors[Role::o] = view(s.dtype_o, s.num_q_heads, s.seqlen_q, s.head_dim_v);
  return tensors;
}

struct Sizes {
  std::int64_t tensors = 0;  ///< what operations hand to each other
  std::int64_t work = 0;     ///< ggml's own
};

Sizes sizes_of(Form form, const Problem& problem, int threads) {
  const Graph graph(form, problem, without_memory(problem), {}, nullptr);
  const auto plan = ggml_graph_plan(graph.get(), threads, nullptr);
  return {graph.memory_bytes(), static_cast<std::int64_t>(plan.work_size)};
}

struct FreePool {
  void operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
};
using Pool = std::unique_ptr<ggml_threadpool, FreePool>;

Pool make_pool(int threads) {
  auto params = ggml_threadpool_params_default(threads);
  return Pool(ggml_threadpool_new(&params));
}

/// The operations on the host's tensors, as they are.
class GraphBinding final : public Binding {
 public:
  GraphBinding(Form form, const Problem& problem, const Tensors& host, const Mask& mask,
               const Memory& tensors, const Services& services)
      : host_(host),
        services_(services),
        unseen_(std::max<std::int64_t>(problem.shape.seqlen_q - host[Role::k].sizes[2], 0)),
        graph_(form, problem, host, mask, tensors.data()) {}

  void write(Role) override {}
  void read(Role) override {}
  void poison(Role role) override { services_.fill_nan(host_[role]); }

  void plan(int threads, ggml_threadpool* pool, const Memory& work) {
    plan_ = ggml_graph_plan(graph_.get(), threads, pool);
    if (static_cast<std::int64_t>(plan_.work_size) > work.bytes())
      throw std::logic_error("fewer keys need more of ggml's work memory");
    plan_.work_data = reinterpret_cast<std::uint8_t*>(work.data());
  }
  void call() {
    zero_unseen();
    if (ggml_graph_compute(graph_.get(), &plan_) != GGML_STATUS_SUCCESS)
      throw std::runtime_error("ggml_graph_compute failed");
  }
  std::string operations() const { return graph_.operations(); }

 private:
  /// Queries before all keys.
  void zero_unseen() const {
    const auto& o = host_[Role::o];
    const auto bytes = static_cast<std::size_t>(o.sizes[3] * bytes_of(o.dtype));
    for (std::int64_t row = 0; row < unseen_; ++row) {
      for (std::int64_t b = 0; b < o.sizes[0]; ++b) {
        for (std::int64_t h = 0; h < o.sizes[1]; ++h) std::memset(row_of(o, b, h, row), 0, bytes);
      }
    }
  }

  Tensors host_;
  const Services& services_;
  std::int64_t unseen_;
  Graph graph_;
  ggml_cplan plan_ = {};
};

class GraphExecution final : public Execution {
 public:
  GraphExecution(Form form, const Problem& problem, int threads, const Sizes& sizes, const Services& services)
      : form_(form),
        problem_(problem),
        threads_(threads),
        services_(services),
        tensors_(sizes.tensors),
        work_(sizes.work),
        pool_(make_pool(threads)) {
    mask_for(problem.shape.seqlen_kv);
  }

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    auto binding = std::make_unique<GraphBinding>(form_, problem_, host, mask_for(host[Role::k].sizes[2]),
                                                  tensors_, services_);
    binding->plan(threads_, pool_.get(), work_);
    return binding;
  }

  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) override {
    std::size_t next = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      static_cast<GraphBinding*>(bindings[next])->call();
      if (++next == bindings.size()) next = 0;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    operations_ = static_cast<GraphBinding*>(bindings.front())->operations();
    return {seconds, runs};
  }

  std::int64_t workspace_bytes() const override {
    return tensors_.bytes() + work_.bytes() + mask_bytes(problem_, problem_.shape.seqlen_kv);
  }
  Implementation implementation() const override {
    return {operations_, "the operations of the graph that ggml computed"};
  }
  /// Where ggml has OpenMP its threads are those of the program's other kernels, and this does nothing.
  void rest() override { ggml_threadpool_pause(pool_.get()); }

 private:
  const Mask& mask_for(std::int64_t keys) {
    const auto found = masks_.find(keys);
    if (found != masks_.end()) return found->second;
    return masks_.emplace(keys, make_mask(problem_, keys, services_)).first->second;
  }

  Form form_;
  Problem problem_;
  int threads_;
  const Services& services_;
  Memory tensors_, work_;
  Pool pool_;
  std::map<std::int64_t, Mask> masks_;
  std::string operations_;
};

}  // namespace

std::unique_ptr<Execution> make_execution(Form form, const Problem& problem, int threads,
                                          const Services& services) {
  return std::make_unique<GraphExecution>(form, problem, threads, sizes_of(form, problem, threads), services);
}

std::int64_t workspace_bytes(Form form, const Problem& problem, int threads) {
  const auto sizes = sizes_of(form, problem, threads);
  return sizes.tensors + sizes.work + mask_bytes(problem, problem.shape.seqlen_kv);
}

}  // namespace attnbench::ggml

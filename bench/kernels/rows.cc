#include "rows.h"

#include "attnbench/registry.h"

namespace bench {
namespace {

using attnbench::DType;
constexpr auto kF32 = DType::f32;
constexpr auto kBf16 = DType::bf16;

Entry prefill(std::string mechanism, DType dtype, std::int64_t seqlen, std::int64_t head_dim = 64) {
  return {std::move(mechanism), "fused", dtype, seqlen, seqlen, head_dim, 8, 1, ""};
}

Entry decode(std::int64_t keys, int threads, DType dtype = kBf16) {
  return {"gqa(kv=8)", "fused", dtype, 1, keys, 128, 32, threads, ""};
}

Entry with(Entry entry, std::string kernel, int threads = 1) {
  entry.kernel = std::move(kernel);
  entry.threads = threads;
  return entry;
}

Table dense() {
  return {"Dense attention, one thread, as a share of the arithmetic ceiling",
          "",
          {
              {.subject = prefill("mha", kBf16, 128), .target_amx = 0.20, .target_other = 0.76},
              {.subject = prefill("mha", kBf16, 1024), .target_amx = 0.30, .target_other = 0.80},
              {.subject = prefill("mha", kBf16, 4096), .target_amx = 0.30, .target_other = 0.80},
              {.subject = prefill("mha", kBf16, 1024, 128), .target_amx = 0.45, .target_other = 0.86},
              {.subject = prefill("mha", kBf16, 4096, 128), .target_amx = 0.45, .target_other = 0.86},
              {.subject = prefill("mha", kF32, 128)},
              {.subject = prefill("mha", kF32, 1024), .target_amx = 0.75, .target_other = 0.86},
              {.subject = prefill("mha", kF32, 1024, 128)},
          }};
}

Table every_path() {
  Table table{"Every path of dense attention, N = 1024, one thread", "", {}};
  for (const auto dtype : {kBf16, kF32}) {
    for (const auto head_dim : {64, 128}) {
      for (const auto* path : {"amx", "avx512bf16", "avx512", "portable"}) {
        auto entry = prefill("mha", dtype, 1024, head_dim);
        entry.path = path;
        table.rows.push_back({.subject = entry});
      }
    }
  }
  return table;
}

Table sparse() {
  const auto against_dense = [](std::string mechanism, DType dtype, std::int64_t seqlen, double amx,
                                double other) {
    return Row{prefill(std::move(mechanism), dtype, seqlen), Against::kernel, prefill("mha", dtype, seqlen),
               amx, other};
  };
  const std::string block_sparse = "block_sparse(bs=32,globals=1)";
  return {"Sparse and linear mechanisms against the dense kernel, one thread: times faster",
          "",
          {
              against_dense("mha(causal)", kBf16, 4096, 1.8, 1.9),
              against_dense("mha(causal)", kF32, 4096, 0, 0),
              against_dense("swa(w=64)", kBf16, 1024, 6, 9.5),
              against_dense("swa(w=64)", kBf16, 8192, 45, 60),
              against_dense("swa(w=64)", kF32, 1024, 0, 0),
              against_dense(block_sparse, kBf16, 1024, 10, 18),
              against_dense(block_sparse, kBf16, 8192, 70, 90),
              against_dense(block_sparse, kF32, 1024, 0, 0),
              against_dense("linear", kBf16, 4096, 15, 40),
              against_dense("linear", kF32, 4096, 0, 0),
          }};
}

Table grouped() {
  const auto against_mha = [](const char* mechanism, DType dtype) {
    auto subject = prefill(mechanism, dtype, 1024, 128);
    auto reference = prefill("mha", dtype, 1024, 128);
    subject.heads = reference.heads = 32;
    return Row{subject, Against::kernel, reference, 1, 1};
  };
  return {"Shared keys and values against mha with the same FLOPs (32 query heads), one thread: times faster",
          "",
          {against_mha("gqa(kv=8)", kBf16), against_mha("mqa", kBf16), against_mha("gqa(kv=8)", kF32),
           against_mha("mqa", kF32)}};
}

Table causal_linear() {
  Table table{"`causal_linear/chunked`, one thread",
              "Against `linear`: times faster. Against itself at N = 4096: rate in tokens, relative.",
              {}};
  auto subject = prefill("causal_linear", kBf16, 4096);
  subject.kernel = "chunked";
  table.rows.push_back({subject, Against::kernel, prefill("linear", kBf16, 4096), 1 / 1.7, 1 / 1.7});
  for (const std::int64_t seqlen : {512, 1024, 2048, 8192, 16384, 65536}) {
    auto row = subject;
    row.seqlen_q = row.seqlen_kv = seqlen;
    table.rows.push_back({row, Against::kernel, subject, 1 / 1.25, 1 / 1.25});
  }
  return table;
}

Table decoding(int threads) {
  return {"Decode: one query, gqa, 32 query heads, 8 kv heads, D = 128, as a share of the read bandwidth",
          "The ceiling reads as many bytes as the call must, with as many threads.",
          {{decode(65536, threads), Against::read_ceiling, {}, 0.75, 0.75},
           {decode(8192, threads), Against::read_ceiling, {}, 0.68, 0.68},
           {decode(8192, threads, kF32), Against::read_ceiling}}};
}

Table more_threads(int threads) {
  Table table{"More threads against one: times faster", "", {}};
  const double target = 0.9 * threads;
  for (const auto dtype : {kBf16, kF32}) {
    for (const auto* mechanism :
         {"mha", "mha(causal)", "swa(w=64)", "block_sparse(bs=32,globals=1)", "linear"}) {
      const auto one = prefill(mechanism, dtype, 1024);
      table.rows.push_back({with(one, "fused", threads), Against::kernel, one, target, target});
    }
    const auto one = with(prefill("causal_linear", dtype, 1024), "chunked");
    table.rows.push_back({with(one, "chunked", threads), Against::kernel, one, target, target});
    const auto longer = prefill("mha", dtype, 4096);
    table.rows.push_back({with(longer, "fused", threads), Against::kernel, longer, target, target});
  }
  return table;
}

Table against_unfused() {
  struct Counterpart {
    const char* mechanism;
    const char* fused;
    const char* unfused;
  };
  Table table{"Fused kernels against their unfused counterparts, one thread: times faster", "", {}};
  for (const auto& c :
       {Counterpart{"mha", "fused", "unfused"}, Counterpart{"gqa(kv=4)", "fused", "unfused"},
        Counterpart{"mqa", "fused", "unfused"}, Counterpart{"swa(w=64)", "fused", "masked"},
        Counterpart{"swa(w=64)", "fused", "gather"},
        Counterpart{"block_sparse(bs=32,globals=1)", "fused", "batched"},
        Counterpart{"linear", "fused", "two_gemm"}, Counterpart{"causal_linear", "chunked", "cumsum"}}) {
    for (const auto dtype : {kF32, kBf16}) {
      for (const std::int64_t seqlen : {128, 256, 512, 1024}) {
        const auto entry = prefill(c.mechanism, dtype, seqlen);
        table.rows.push_back({with(entry, c.fused), Against::kernel, with(entry, c.unfused), 1, 1});
      }
    }
  }
  return table;
}

}  // namespace

std::vector<Table> tables(int threads) {
  return {dense(),           every_path(),          sparse(),         grouped(), causal_linear(),
          decoding(threads), more_threads(threads), against_unfused()};
}

}  // namespace bench

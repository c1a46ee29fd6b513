#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "store/records.h"

namespace attnbench {

/// A directory of its own for each test, and a small run that has something in every field.
class StoreFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "attnbench_store_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  static std::string read_text(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  static void write_text(const std::string& file, const std::string& text) {
    std::ofstream(file, std::ios::binary) << text;
  }

  template <typename Call>
  static std::string error_of(Call call) {
    try {
      call();
    } catch (const std::exception& error) {
      return error.what();
    }
    return "accepted";
  }

  static CellRecord sample_cell(std::int64_t seqlen) {
    CellRecord cell;
    cell.cell_id = "core-prefill-hot-f32-bhsd-b1-h8-q" + std::to_string(seqlen);
    cell.device = "cpu";
    cell.threads = 2;
    cell.cpus = {0, 1};
    cell.condition = "hot";
    cell.phase = "prefill";
    cell.scope = "core";
    cell.shape.num_q_heads = 8;
    cell.shape.seqlen_q = cell.shape.seqlen_kv = seqlen;
    cell.shape.softmax_scale = 0.125;
    KernelRecord baseline{"mha", "unfused", "cpu", "", 8, "", true, 10, ""};
    KernelRecord masked{"swa(w=64,causal)", "masked", "cpu", "avx512", 8, "", false, 7, ""};
    KernelRecord refused{"gqa(kv=4)", "unfused", "cpu", "", 4, "needs \"square\", lengths", false, {}, ""};
    cell.kernels = {baseline, masked, refused};
    return cell;
  }

  static ProcessRecord sample_process(const CellRecord& cell, int number) {
    ProcessRecord process;
    process.cell_id = cell.cell_id;
    process.process = number;
    process.started_utc = "2026-01-02T03:04:0" + std::to_string(number) + "Z";
    process.boot_id = "b0";
    process.orders = {{1, 0, 2}, {0, 2, 1}};
    process.order_kernels = {cell.kernels[0].id(), cell.kernels[1].id(), "alias"};
    *process.noise = {{"steal_share", 0.001}, {"psi_some", 1.0 / 3}};
    *process.kernels = {{cell.kernels[0].id(), {{"warmup_calls", 12}}}};
    process.samples.push_back({-1, 0, "unbatched", cell.kernels[0].id(), 1, 0.3, 0, true, ""});
    process.samples.push_back({-1, 0, "unbatched", cell.kernels[1].id(), 1, 0.0, 0, false, "clock, stepped"});
    for (int block = 0; block < 2; ++block) {
      process.samples.push_back({block, 0, "sentinel", "", 1, 1e-3, 0, true, ""});
      process.samples.push_back({block, 1, "kernel", cell.kernels[0].id(), 10, 0.1 + 0.2, 3, true, ""});
      process.samples.push_back({block, 2, "kernel", cell.kernels[1].id(), 7, 1.0 / 3 + block, 4, true, ""});
      process.samples.push_back({block, 3, "alias", cell.kernels[0].id(), 10, 0.31, 1, true, ""});
      process.samples.push_back({block, 4, "sentinel", "", 1, 1.1e-3, 0, true, ""});
    }
    return process;
  }

  static RunContents sample_contents(const std::string& machine_key = "0123456789abcdef") {
    RunContents contents;
    contents.run = {"smoke",
                    "quick",
                    0xfedcba9876543210ULL,
                    "aa11",
                    "bb22",
                    machine_key,
                    nlohmann::json{{"study", "smoke"}},
                    nlohmann::json{{"cpu", {{"model", "AMD EPYC 9R14 96-Core Processor"}}}}};
    contents.cells = {sample_cell(128), sample_cell(256)};
    const auto& cell = contents.cells[0];
    // No two fields of a type hold the same in both.
    VerificationRecord passed{.cell_id = cell.cell_id,
                              .kernel_id = cell.kernels[0].id(),
                              .passed = true,
                              .reason = "",
                              .max_error = 1e-7,
                              .plain_error = 2e-7,
                              .tolerance = 3e-7,
                              .median_call_seconds = 0.004,
                              .rerun_bitwise = true,
                              .unchanged_alone = false,
                              .unchanged_in_batch = true,
                              .unchanged_threads = std::nullopt,
                              .workspace_bytes = 8192,
                              .peak_bytes = 4096,
                              .prepare_seconds = 0.005,
                              .first_call_seconds = 0.006};
    VerificationRecord wrong{.cell_id = cell.cell_id,
                             .kernel_id = cell.kernels[1].id(),
                             .passed = false,
                             .reason = "row 3 holds NaN",
                             .max_error = std::nan(""),
                             .plain_error = HUGE_VAL,
                             .tolerance = -HUGE_VAL,
                             .median_call_seconds = 0.04,
                             .rerun_bitwise = true,
                             .unchanged_alone = std::nullopt,
                             .unchanged_in_batch = false,
                             .unchanged_threads = true,
                             .workspace_bytes = 1,
                             .peak_bytes = 2,
                             .prepare_seconds = 0.05,
                             .first_call_seconds = 0.06};
    contents.verifications = {passed, wrong};
    contents.processes = {sample_process(cell, 0), sample_process(cell, 1),
                          sample_process(contents.cells[1], 0)};
    contents.processes[1].valid = false;
    contents.processes[1].reason = "steal 3.1 % of CPU time, above 2 %";
    contents.failures = {{cell.cell_id, cell.kernels[1].id(), "measure", "killed by signal 11"}};
    return contents;
  }

  std::filesystem::path directory_;
};

}  // namespace attnbench

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/command.h"

/// In each cell the first of the baselines that computes it.
namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

json run_with_baselines(const std::string& baselines, const std::string& kernels, std::string* table) {
  const TemporaryDirectory directory;
  const auto store = directory.file("s.db");
  const auto run =
      attnbench({"run",         "smoke",      "--accept-noise", "--scope", "core",     "--dtype", "f32,f16",
                 "--mechanism", "mha",        "--kernel",       kernels,   "--seqlen", "32",      "--threads",
                 "1",           "--baseline", baselines,        "--quiet", "--out",    store});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  if (table != nullptr) *table = attnbench({"analyze", store}).out;
  json cells;
  for (const auto& group : json::parse(attnbench({"analyze", store, "--json"}).out)["runs"][0]["groups"])
    cells[std::string(group["dtype"])] = group["cells"][0];
  return cells;
}

json kernel_of(const json& cell, const std::string& id) {
  for (const auto& kernel : cell["kernels"]) {
    if (kernel["id"] == id) return kernel;
  }
  return {};
}

TEST(Baselines, AreTakenInTheirOrderInEachCell) {
  std::string table;
  const auto cells = run_with_baselines("mha/unfused_f32@cpu,mha/unfused@cpu", "fused@cpu", &table);
  EXPECT_EQ(cells["f16"]["baseline"], "mha/unfused_f32@cpu");
  EXPECT_EQ(cells["f32"]["baseline"], "mha/unfused@cpu") << "there is nothing to convert in f32";
  EXPECT_THAT(std::string(kernel_of(cells["f16"], "mha/unfused@cpu")["reason"]),
              HasSubstr("it stands in for the baseline mha/unfused_f32@cpu, which is there"));
  EXPECT_TRUE(kernel_of(cells["f16"], "mha/fused@cpu:portable")["ratio"].is_object());
  EXPECT_THAT(table, HasSubstr("\nratio to mha/unfused@cpu\n"));
  EXPECT_THAT(table, HasSubstr("\nratio to mha/unfused_f32@cpu\n"));
}

TEST(Baselines, ThatStandInAreMeasuredBesideWhereTheyAreNamed) {
  const auto cells = run_with_baselines("mha/unfused@cpu,mha/unfused_f32@cpu", "unfused_f32", nullptr);
  EXPECT_EQ(cells["f16"]["baseline"], "mha/unfused@cpu");
  EXPECT_TRUE(kernel_of(cells["f16"], "mha/unfused_f32@cpu")["ratio"].is_object());
}

TEST(Baselines, ThatAreUnknownAreNamed) {
  const auto result =
      attnbench({"run", "smoke", "--baseline", "mha/unfused@cpu,mha/unfused_f23@cpu", "--dry-run"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("kernel: 'mha/unfused_f23@cpu' is not registered"));
  EXPECT_THAT(result.err, HasSubstr("did you mean 'mha/unfused_f32@cpu'"));
}

TEST(Baselines, WhatAKernelDoesIsListed) {
  EXPECT_THAT(attnbench({"list"}).out,
              HasSubstr("\nunfused_f32@cpu: products in f32 on inputs of two bytes"));
  for (const auto& kernel : json::parse(attnbench({"list", "--json"}).out)["kernels"]) {
    EXPECT_EQ(kernel["description"] != "", kernel["kernel"] == "unfused_f32") << kernel;
  }
}

}  // namespace
}  // namespace attnbench

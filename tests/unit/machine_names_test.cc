#include "store/machine_names.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace attnbench {
namespace {

using testing::ElementsAre;

TEST(MachineNames, ModelInstructionsAndCpus) {
  RunContents contents;
  auto& environment = *contents.run.environment;
  contents.run.machine_key = "abcdef0123456789";
  EXPECT_EQ(machine_name(contents), "unknown CPU");
  environment = {{"cpu", {{"model", "Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz"}, {"logical_cpus", 1}}}};
  EXPECT_EQ(machine_name(contents), "Intel Xeon Platinum 8488C, 1 CPU");
  environment["cpu"]["logical_cpus"] = 16;
  environment["cpu"]["features"] = "sse4.2 avx2 avx512 avx512_bf16";
  EXPECT_EQ(machine_name(contents), "Intel Xeon Platinum 8488C (AVX-512), 16 CPUs");
  environment["cpu"]["features"] = "sse4.2 avx2 avx512 avx512_bf16 amx_bf16";
  auto& cells = contents.cells;
  cells.resize(2);
  cells[0].cpus = {2, 3};
  cells[1].cpus = {2, 3, 4};
  EXPECT_EQ(machine_name(contents), "Intel Xeon Platinum 8488C (AMX), 3 CPUs") << "those in use";
  environment["workers"]["allowed_cpus"] = "2-15";
  EXPECT_EQ(machine_name(contents), "Intel Xeon Platinum 8488C (AMX), 14 CPUs") << "those allowed";
  environment["cpu"]["model"] = "AMD EPYC 7R13 Processor";
  environment["cpu"]["features"] = "sse4.2 avx2";
  EXPECT_EQ(machine_name(contents), "AMD EPYC 7R13 (AVX2), 14 CPUs");
  environment["devices"]["cuda:0"]["identity"]["model"] = "NVIDIA H200";
  cells[0].device = "cuda:0";
  cells[1].device = "cpu";
  EXPECT_EQ(machine_name(contents), "AMD EPYC 7R13 (AVX2), 14 CPUs") << "of cells on both";
  cells[1].device = "cuda:0";
  EXPECT_EQ(machine_name(contents), "NVIDIA H200 beside AMD EPYC 7R13");
  environment["machine"] = "the lab's";
  EXPECT_EQ(machine_name(contents), "the lab's");
}

TEST(MachineNames, ASuffixOnlyWhereOneNameIsOfTwo) {
  EXPECT_THAT(told_apart({{"a", "12345678"}, {"b", "12345678"}}), ElementsAre("a", "b"));
  EXPECT_THAT(told_apart({{"a", "12345678"}, {"b", "1"}, {"a", "12345678"}, {"a", "12345678"}}),
              ElementsAre("a", "b", "a, run 2", "a, run 3"));
  EXPECT_THAT(told_apart({{"a", "12345678"}, {"a", "abcdef00"}, {"a", "12345678"}}),
              ElementsAre("a [1234]", "a [abcd]", "a [1234], run 2"));
  EXPECT_THAT(told_apart({{"a", "12345678"}, {"a", "12345978"}}), ElementsAre("a [123456]", "a [123459]"));
}

}  // namespace
}  // namespace attnbench

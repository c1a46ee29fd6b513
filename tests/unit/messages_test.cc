#include "run/protocol/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/json.h"
#include "unit/reference_fixture.h"

namespace attnbench::messages {
namespace {

using nlohmann::json;

/// What arrives at the other side of a pipe.
template <typename T>
T sent(const T& message) {
  return read<T>(parse_json(json_text(to_json(message)), "message"));
}

KernelRequest request(const char* path, std::int64_t calls, double limit) {
  return {{parse_mechanism("swa(w=8)"), "fused", "cpu", path}, calls, limit};
}

Cell cell() {
  Cell c;
  c.shape = reference::small_problem("mha", 12, 12).shape;
  c.threads = 3;
  c.mechanisms = {bind_kv_heads(parse_mechanism("mha"), 1, 0)};
  c.baseline = "mha/unfused@cpu";
  return c;
}

TEST(Messages, AKernelIsAskedForByItsNames) {
  EXPECT_EQ(request("avx512", 1, 1).id(), "swa(w=8)/fused@cpu:avx512");
  EXPECT_FALSE(find_choice(request("of-another-build", 1, 1)));
}

TEST(Messages, HelloAsksForWhatIsWanted) {
  const auto asked = sent(Hello{.probe = true, .ceilings = false, .devices = {"cuda:0", "cuda:1"}});
  EXPECT_EQ(asked.protocol, kProtocol);
  EXPECT_TRUE(asked.probe);
  EXPECT_FALSE(asked.ceilings);
  EXPECT_EQ(asked.devices, (std::vector<std::string>{"cuda:0", "cuda:1"}));
  Welcome out;
  out.identity.machine_key = "m";
  out.devices["cuda:0"].identity = {{"driver", "1"}, {"model", "2"}};
  out.devices["cuda:0"].ceilings.threads = 7;
  out.kernels = {{"fused", "cpu", "amx", {MechanismKind::swa, MechanismKind::linear}},
                 {"sdpa", "mlx", "", {}}};
  const auto in = sent(out);
  EXPECT_EQ(in.kernels, out.kernels);
  EXPECT_EQ(in.identity.machine_key, "m");
  EXPECT_FALSE(in.ceilings);
  ASSERT_EQ(in.devices.size(), 1u);
  EXPECT_EQ(in.devices.at("cuda:0").identity.at("model"), "2");
  EXPECT_EQ(in.devices.at("cuda:0").ceilings.threads, 7);
}

TEST(KernelOffers, AreThoseOfTheRegistry) {
  const auto offers = kernel_offers();
  ASSERT_EQ(offers.size(), kernels().size());
  const auto& last = *kernels().back();
  EXPECT_EQ(offers.back().kernel, last.kernel());
  EXPECT_EQ(offers.back().engine, last.engine());
  EXPECT_EQ(offers.back().path, last.path());
  for (const auto kind : all_mechanism_kinds())
    EXPECT_EQ(offers.back().computes(kind), computes(last, kind)) << name(kind);
}

TEST(KernelOffers, UnitedHoldEachOnce) {
  using enum MechanismKind;
  const KernelOffer fused{"fused", "cpu", "amx", {mha, gqa}};
  EXPECT_EQ(united({fused}, {fused}), std::vector{fused});
  const KernelOffer elsewhere{"fused", "cpu", "avx2", {mha}};
  EXPECT_EQ(united({fused}, {elsewhere}), (std::vector{fused, elsewhere}));
  const KernelOffer more{"fused", "cpu", "amx", {gqa, swa}};
  const KernelOffer rest{"fused", "cpu", "amx", {swa}};
  EXPECT_EQ(united({fused}, {more}), (std::vector{fused, rest}));
  EXPECT_EQ(united({}, {fused}), std::vector{fused});
}

TEST(Messages, KindsOfMechanismThatThisBuildDoesNotKnowAreNotOffered) {
  Welcome out;
  out.kernels = {{"fused", "cpu", "", {MechanismKind::mha}}};
  auto told = to_json(out);
  told["kernels"][0]["mechanisms"] = {"of_tomorrow", "swa"};
  EXPECT_EQ(read<Welcome>(told).kernels[0].mechanisms, std::vector{MechanismKind::swa});
}

TEST(Messages, Verify) {
  Ceilings ceilings;
  ceilings.threads = 3;
  const Verify out{cell(), {request("a", 2, 3)}, {request("b", 4, 5), request("c", 6, 7.5)}, ceilings, true,
                   8};
  const auto in = sent(out);
  EXPECT_EQ(in.cell, out.cell);
  ASSERT_EQ(in.kernels.size(), 1u);
  EXPECT_EQ(in.kernels[0].id(), "swa(w=8)/fused@cpu:a");
  EXPECT_EQ(in.kernels[0].batch_calls, 2);
  EXPECT_EQ(in.kernels[0].limit_seconds, 3);
  ASSERT_EQ(in.candidates.size(), 2u);
  EXPECT_EQ(in.candidates[1].id(), "swa(w=8)/fused@cpu:c");
  EXPECT_EQ(in.candidates[1].limit_seconds, 7.5);
  EXPECT_EQ(in.ceilings.threads, 3);
  EXPECT_TRUE(in.default_path_only);
  EXPECT_EQ(in.data_seed, 8u);
}

TEST(Messages, Outcome) {
  Outcome out;
  auto& r = out.outcome.record;
  r.cell_id = "c";
  r.kernel_id = "k";
  r.passed = true;
  r.reason = "r";
  r.max_error = std::numeric_limits<double>::infinity();
  r.plain_error = 2;
  r.tolerance = 3;
  r.median_call_seconds = 4;
  r.rerun_bitwise = true;
  r.unchanged_alone = false;
  r.unchanged_in_batch = std::nullopt;
  r.unchanged_threads = true;
  r.workspace_bytes = 5;
  r.peak_bytes = 6;
  r.prepare_seconds = 7;
  r.first_call_seconds = 8;
  out.outcome.unsupported_reason = "u";
  out.outcome.is_default_path = false;
  const auto in = sent(out).outcome;
  EXPECT_EQ(in.record, r);
  EXPECT_EQ(in.unsupported_reason, "u");
  EXPECT_FALSE(in.is_default_path);
}

TEST(Messages, Prepare) {
  Prepare out;
  out.plan = {cell(), {request("a", 2, 3), request("b", 4, 5)}, 1, {{0, 2, 1}, {2, 1, 0}}, 6, 7, 8.5, 9};
  const auto in = sent(out).plan;
  EXPECT_EQ(in.cell, out.plan.cell);
  ASSERT_EQ(in.kernels.size(), 2u);
  EXPECT_EQ(in.kernels[1].batch_calls, 4);
  EXPECT_EQ(in.baseline, 1u);
  EXPECT_EQ(in.orders, out.plan.orders);
  EXPECT_EQ(in.unbatched_calls, 6);
  EXPECT_EQ(in.warmup_limit_calls, 7);
  EXPECT_EQ(in.warmup_limit_seconds, 8.5);
  EXPECT_EQ(in.data_seed, 9u);
  out.plan.baseline = 2;
  EXPECT_THAT([&] { sent(out); }, testing::ThrowsMessage<InputError>(
                                      testing::HasSubstr("baseline: '2' is not one of the kernels")));
}

// As every store has them.
TEST(Messages, WhatAProcessTellsOfAKernel) {
  const PreparedKernel prepared{"k", 1, 1.5, 2, 3, 4, 5, 5.5, 6, 7, true, 8};
  EXPECT_EQ(to_json(prepared),
            json::parse(R"({"prepare_seconds": 1.0, "bind_seconds": 1.5, "first_call_seconds": 2.0,
    "workspace_bytes": 3, "executed_flops": 4.0, "compulsory_bytes": 5.0, "moved_bytes": 5.5, "warmup_calls": 6,
    "warmup_seconds": 7.0, "warmup_settled": true, "transport_seconds": 8.0})"));
  const auto in = sent(Prepared{{prepared}}).kernels;
  ASSERT_EQ(in.size(), 1u);
  EXPECT_EQ(in[0].name, "k");
  EXPECT_EQ(to_json(in[0]), to_json(prepared));
  auto untold = prepared;
  untold.moved_bytes.reset();
  EXPECT_FALSE(sent(Prepared{{untold}}).kernels[0].moved_bytes);

  const RecheckedKernel rechecked{"k", false, "wrong", 1, 2, true, {"code", "a log"}};
  EXPECT_EQ(to_json(rechecked), json::parse(R"({"passed": false, "reason": "wrong", "max_error": 1.0,
    "tolerance": 2.0, "changed_fp_state": true, "ran": "code", "known_by": "a log"})"));
  const auto stopped = sent(Stopped{json{{"steal_share", 0.5}}, {rechecked}});
  EXPECT_EQ(*stopped.noise, (json{{"steal_share", 0.5}}));
  ASSERT_EQ(stopped.kernels.size(), 1u);
  EXPECT_EQ(to_json(stopped.kernels[0]), to_json(rechecked));
  const auto inf =
      sent(Stopped{{}, {{"k", false, "nan", std::numeric_limits<double>::infinity(), 2, false, {}}}});
  EXPECT_TRUE(std::isinf(inf.kernels[0].max_error));
}

TEST(Messages, Samples) {
  SampleRecord sample;
  sample.block = 1;
  sample.position = 2;
  sample.role = "kernel";
  sample.kernel_id = "k";
  sample.batch_calls = 3;
  sample.time_seconds = 4.5;
  sample.priming_calls = 5;
  const auto in = sent(Samples{1, {sample, SampleRecord{}}});
  EXPECT_EQ(in.block, 1);
  EXPECT_EQ(in.samples, (std::vector<SampleRecord>{sample, SampleRecord{}}));
}

TEST(Messages, Check) {
  Check out{request("a", 1, 1).kernel, "cuda:0", 2, 3, {}};
  out.cases.push_back(
      {reference::small_problem("swa(w=8)", 4, 9, 2, 1), reference::InputKind::rising, 4, 5, 6, 7, 64});
  const auto in = sent(out);
  EXPECT_EQ(in.kernel.path, "a");
  EXPECT_EQ(in.device, "cuda:0");
  EXPECT_EQ(in.memory_bytes, 2);
  EXPECT_EQ(in.seed, 3u);
  ASSERT_EQ(in.cases.size(), 1u);
  const auto& c = in.cases[0];
  EXPECT_EQ(c.problem, out.cases[0].problem);
  EXPECT_EQ(c.kind, reference::InputKind::rising);
  EXPECT_EQ(c.keys, 4);
  EXPECT_EQ(c.row_stride, 5);
  EXPECT_EQ(c.batch_stride, 6);
  EXPECT_EQ(c.threads, 7);
  EXPECT_EQ(c.expected_at, 64u);
  const auto checked = sent(Checked{"u", "f", "less exact", 0.5});
  EXPECT_EQ(checked.unsupported, "u");
  EXPECT_EQ(checked.failed, "f");
  EXPECT_EQ(checked.unranked, "less exact");
  EXPECT_EQ(checked.share, 0.5);
  EXPECT_TRUE(std::isinf(sent(Checked{"", "", "w", std::numeric_limits<double>::infinity()}).share));
}

TEST(Messages, StepsAndErrorsNameTheKernel) {
  const auto starting = sent(Starting{"k", "prepare"});
  EXPECT_EQ(starting.kernel_id, "k");
  EXPECT_EQ(starting.stage, "prepare");
  const auto error = sent(Error{"k", "measure", "r"});
  EXPECT_EQ(error.kernel_id, "k");
  EXPECT_EQ(error.stage, "measure");
  EXPECT_EQ(error.reason, "r");
}

TEST(Messages, AnotherMessageThanTheOneAskedForIsNamed) {
  EXPECT_TRUE(is<Verified>(to_json(Verified{})));
  EXPECT_FALSE(is<Verified>(to_json(Stop{})));
  EXPECT_THAT([] { read<Slot>(to_json(Stop{})); },
              testing::ThrowsMessage<InputError>("type: 'stop' is not slot, which was asked for"));
  EXPECT_THAT([] { read<Slot>(json{{"type", "slot"}, {"block", 1.5}}); },
              testing::ThrowsMessage<InputError>(testing::HasSubstr("block: '1.5'")));
}

}  // namespace
}  // namespace attnbench::messages

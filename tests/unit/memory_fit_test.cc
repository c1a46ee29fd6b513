#include "run/worker/memory_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnbench/error.h"
#include "plan/budget.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kGib = std::int64_t{1} << 30;

Cell cell_of_keys(std::int64_t seqlen) {
  Cell cell;
  cell.shape.num_q_heads = 4;
  cell.shape.seqlen_q = cell.shape.seqlen_kv = seqlen;
  cell.shape.head_dim_qk = cell.shape.head_dim_v = 64;
  cell.mechanisms = {bind_kv_heads(parse_mechanism("mha"), 4, 0)};
  cell.baseline = "mha/unfused@cpu";
  return cell;
}

TEST(MemoryFit, TensorsMayTakeFourFifths) {
  const auto cell = cell_of_keys(1 << 20);
  const auto bytes = memory_bytes(cell);
  ASSERT_EQ(bytes, 4 * kGib);
  EXPECT_EQ(why_tensors_do_not_fit(cell, 5 * kGib), "");
  EXPECT_EQ(
      why_tensors_do_not_fit(cell, 5 * kGib - 5),
      "does not fit in memory: needs 4.00 GiB for this cell's tensors alone; 5.00 GiB are available, of "
      "which four fifths are used");
  EXPECT_EQ(why_tensors_do_not_fit(cell, 0), "") << "nothing is known of the memory";
}

TEST(MemoryFit, AStudyIsRefusedOnlyWhereItsSmallestCellIs) {
  Study study{"two", "", {cell_of_keys(1 << 20), cell_of_keys(1 << 10)}};
  EXPECT_NO_THROW(require_cell_that_fits(study, kGib));
  try {
    require_cell_that_fits(study, 1 << 20);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(study.cells[1].id()));
    EXPECT_THAT(error.what(), HasSubstr("needs 4.00 MiB"));
    EXPECT_THAT(error.what(), HasSubstr("1.00 MiB are available"));
  }
}

}  // namespace
}  // namespace attnbench

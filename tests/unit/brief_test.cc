#include "report/brief.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Baseline 1 ms, fused 0.5 ms in five processes; one kernel is unsupported.
Analysis measured() {
  SyntheticRun run;
  auto refused = SyntheticRun::kernel("mqa", "fused");
  refused.support_reason = "needs <amx>";
  const auto cell = run.add_cell(
      128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused"), refused});
  run.add_five(cell, {std::log(2.0), 0}, {0, 0.001});
  (*run.contents.run.environment)["cpu"] = {{"model", "A&B"}, {"logical_cpus", 4}};
  return analyze(std::vector<RunContents>{run.contents});
}

TEST(Brief, SaysWhatToUseByHowMuchHowSureWhereAndWhatIsMissing) {
  const auto text = brief_markdown(measured());
  for (const auto* part :
       {"## A&B, 4 CPUs\n", "in place of mha/unfused@cpu\n",
        "  - N = 128: use mha/fused@cpu: 2.00 times as fast", "### How sure\n\n- 1 of 1 cells have verdicts",
        "### Not measured\n", "- unsupported: needs <amx>: fused@cpu (mqa)"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Brief, NothingInItBecomesMarkup) {
  const auto text = brief_html(measured());
  EXPECT_THAT(text, HasSubstr("<h2>A&amp;B, 4 CPUs</h2>"));
  EXPECT_THAT(text, HasSubstr("needs &lt;amx&gt;"));
  EXPECT_THAT(text, Not(HasSubstr("<amx>")));
  EXPECT_THAT(text, Not(HasSubstr("src=")));
}

TEST(Brief, SaysThatNothingCanBeSaid) {
  EXPECT_THAT(brief_markdown(analyze(std::vector<RunContents>{SyntheticRun().contents})),
              HasSubstr("nothing can be said"));
}

}  // namespace
}  // namespace attnbench

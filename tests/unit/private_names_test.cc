#include "run/environment/private_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/variable.h"

namespace attnbench {
namespace {

using testing::Contains;
using testing::Not;
using testing_support::Variable;

TEST(PrivateNames, AreLeftOutWhereverTheyStand) {
  EXPECT_EQ(without_names("kernel 6.1-ann-laptop of jane, jane's", {"ann-laptop", "jane"}),
            "kernel 6.1-(left out) of (left out), (left out)'s");
  EXPECT_EQ(without_names("nothing to hide", {""}), "nothing to hide");
}

TEST(PrivateNames, OfAPathTheLastPartIsLeft) {
  EXPECT_EQ(without_names("cannot open /home/ann/lib/libx.so: no such file", {}),
            "cannot open libx.so: no such file");
  EXPECT_EQ(without_names("A=/opt/ann/tool.so,'/srv/b c' (/tmp/ann)", {}), "A=tool.so,'b c' (ann)");
  EXPECT_EQ(without_names("in /home/jane/lib/jane.so", {"jane"}), "in (left out).so");
  EXPECT_EQ(without_names("in /Users/Ann Lee/x.so", {"/Users/Ann Lee"}), "in (left out)/x.so");
}

TEST(PrivateNames, WhatIsNoPathStays) {
  const std::string text = "Debian GNU/Linux 12, 1.5 GFLOP/s, docs/mac.md, 3 / 4";
  EXPECT_EQ(without_names(text, {}), text);
}

TEST(PrivateNames, AreThoseOfUserAndHostUnlessTheyAreCommon) {
  const Variable host("HOSTNAME", "laptop-of-ann");
  EXPECT_THAT(names_of_host_and_user(), Contains("laptop-of-ann"));
  const Variable common("HOSTNAME", "localhost");
  EXPECT_THAT(names_of_host_and_user(), Not(Contains("localhost")));
  const Variable in_any_text("HOSTNAME", "cpu");
  EXPECT_THAT(names_of_host_and_user(), Not(Contains("cpu")));
}

}  // namespace
}  // namespace attnbench

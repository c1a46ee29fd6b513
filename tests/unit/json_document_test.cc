#include "io/json_document.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace attnbench {
namespace {

using nlohmann::json;

TEST(JsonDocument, IsNullAtFirst) {
  const JsonDocument untouched;
  EXPECT_TRUE(untouched->is_null());
  EXPECT_EQ(untouched, JsonDocument(json()));
  JsonDocument written;
  (*written)["a"] = 1;
  EXPECT_EQ(*written, json({{"a", 1}}));
}

TEST(JsonDocument, IsCopiedWhole) {
  JsonDocument first = json{{"a", 1}};
  JsonDocument second = first;
  EXPECT_EQ(second, first);
  (*second)["a"] = 2;
  EXPECT_EQ(first->at("a"), 1);
  EXPECT_NE(second, first);
  first = second;
  EXPECT_EQ(first->at("a"), 2);
  first = *&first;
  EXPECT_EQ(first->at("a"), 2);
}

TEST(JsonDocument, IsNullOnceMovedFrom) {
  JsonDocument first = json{{"a", 1}};
  const JsonDocument second = std::move(first);
  EXPECT_EQ(second->at("a"), 1);
  EXPECT_TRUE(first->is_null());
}

}  // namespace
}  // namespace attnbench

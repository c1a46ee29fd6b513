#include "io/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

TEST(ParseJson, NamesTheLineAndTheColumn) {
  const auto parsed = [](const std::string& text) { return message_of([&] { parse_json(text, "a.json"); }); };
  EXPECT_EQ(parsed("{\"a\": [1, 2]}"), "accepted");
  EXPECT_EQ(parsed("{\"a\":\n  1,}"), "a.json: line 2, column 5: '}' is not readable JSON");
  EXPECT_EQ(parsed("{\"a\":\n ["), "a.json: line 2, column 3: '' is where the JSON ends too soon");
  EXPECT_THAT(parsed("{\"a\": \"\xff\"}"), StartsWith("a.json: line 1, column 8: '\xef\xbf\xbd\"}' is not"));
  EXPECT_EQ(parsed(""), "a.json: line 1, column 1: '' is where the JSON ends too soon");
  EXPECT_THAT(parsed("[1e999]"), HasSubstr("too large"));
}

TEST(ParseJson, RefusesWhatIsNestedTooDeepToWalk) {
  EXPECT_EQ(parse_json(nested(100), "a.json").size(), 1U);
  EXPECT_THAT(message_of([] { parse_json("\n" + nested(101), "a.json"); }),
              StartsWith("a.json: line 2, column 101: '[]]]"));
  EXPECT_THAT(message_of([] { parse_json(std::string(100000, '['), "a.json"); }), HasSubstr("levels deep"));
  // Brackets in a text are none.
  const auto text = "\"\\\"" + std::string(1000, '[') + "\"";
  EXPECT_EQ(parse_json(text, "a.json").get<std::string>().size(), 1001U);
}

TEST(JsonValue, IsOfTheVeryType) {
  EXPECT_EQ(json_value<int>(7, "f"), 7);
  EXPECT_EQ(json_value<double>(7, "f"), 7.0);
  EXPECT_EQ(json_value<std::vector<std::vector<int>>>(json{{1}, {2, 3}}, "f")[1][1], 3);
  const auto refuses = [](auto type, const json& value) {
    return message_of([&] { json_value<decltype(type)>(value, "f"); });
  };
  EXPECT_EQ(refuses(int{}, 1.9), "f: '1.9' is not a whole number of this field's range");
  EXPECT_THAT(refuses(int{}, 4294967296), HasSubstr("range"));
  EXPECT_THAT(refuses(int{}, true), HasSubstr("f: 'true'"));
  EXPECT_THAT(refuses(std::uint64_t{}, -1), HasSubstr("f: '-1'"));
  EXPECT_THAT(refuses(double{}, true), HasSubstr("is no number"));
  EXPECT_THAT(refuses(double{}, nullptr), HasSubstr("is no number"));
  EXPECT_THAT(refuses(bool{}, 1), HasSubstr("neither true nor false"));
  EXPECT_THAT(refuses(std::string{}, nullptr), HasSubstr("f: 'null' is no text"));
  EXPECT_THAT(refuses(std::vector<int>{}, json::object()), HasSubstr("is no list"));
  EXPECT_THAT(refuses(std::vector<int>{}, json{1, 1e300}), HasSubstr("f: '1e+300'"));
}

TEST(ReadList, NamesTheElement) {
  const json in = {{"cells", {{{"n", 1}}, {{"n", "x"}}}}};
  EXPECT_EQ(message_of([&] { read_list(in, "cells", [](const json& cell) { read_field<int>(cell, "n"); }); }),
            "cells[1]: n: '\"x\"' is not a whole number of this field's range");
}

TEST(Utf8, OtherBytesAreReplaced) {
  EXPECT_EQ(to_utf8("na\xc3\xafve"), "na\xc3\xafve");
  EXPECT_EQ(to_utf8("caf\xe9"), "caf\xef\xbf\xbd");
}

TEST(InputErrorMessage, ShowsAValueOnOneShortLine) {
  const std::string message = InputError("name", std::string(300000, 'x'), "is unknown").what();
  EXPECT_EQ(message, "name: '" + std::string(80, 'x') + "...' (300000 bytes) is unknown");
  EXPECT_STREQ(InputError("name", "a\x1b[2J\nb", "is unknown").what(), "name: 'a\\x1b[2J\\x0ab' is unknown");
}

TEST(Suggestion, DoesNotMindCapitals) {
  EXPECT_EQ(suggestion("MHA", {"gqa", "mha", "mqa"}), " (did you mean 'mha'?)");
  EXPECT_EQ(suggestion("Linaer", {"linear", "causal_linear"}), " (did you mean 'linear'?)");
  EXPECT_EQ(suggestion("BLOCK", {"block_sparse", "swa"}), " (did you mean 'block_sparse'?)");
  EXPECT_EQ(suggestion("entirely different", {"mha"}), "");
  EXPECT_EQ(suggestion(std::string(300000, 'x'), {"mha"}), "");
}

}  // namespace
}  // namespace attnbench

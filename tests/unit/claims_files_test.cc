// The fifteen findings as files, and what happens with bad ones.
#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <sstream>

#include "unit/claims_fixture.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

/// Published means in ms by the publication's name and N, read from the table without the program's import.
std::map<std::pair<std::string, std::int64_t>, double> published_means() {
  std::ifstream file(std::string(ATTNBENCH_SOURCE_DIR) + "/data/m4_mlx_published.csv");
  std::map<std::pair<std::string, std::int64_t>, double> means;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::vector<std::string> values;
    for (std::string value; std::getline(fields, value, ',');) values.push_back(value);
    means[{values.at(0), std::stoll(values.at(2))}] = std::stod(values.at(7));
  }
  return means;
}

/// The publication's name of a selector.
std::string published_name(const std::string& selector) {
  static const std::map<std::string, std::string> names = {
      {"mha/unfused", "MHA"},
      {"gqa(kv=4)/unfused", "GQA(kv=4)"},
      {"mqa/unfused", "MQA(kv=1)"},
      {"swa(w=32)/gather", "SWA(w=32)"},
      {"swa(w=64)/gather", "SWA(w=64)"},
      {"swa(w=128)/gather", "SWA(w=128)"},
      {"swa(w=32)/masked", "MaskedSWA(w=32)"},
      {"swa(w=64)/masked", "MaskedSWA(w=64)"},
      {"swa(w=128)/masked", "MaskedSWA(w=128)"},
      {"block_sparse(bs=32,globals=1)/batched", "BlockSparse(bs=32)"},
      {"block_sparse(bs=64,globals=1)/batched", "BlockSparse(bs=64)"},
      {"linear/two_gemm", "LinearAttn"},
      {"causal_linear/cumsum", "CausalLinearAttn"}};
  return names.at(selector);
}

double slope(const std::vector<std::int64_t>& seqlens, const std::vector<double>& logs) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const double log_n = std::log(static_cast<double>(seqlens[i]));
    n += 1;
    x += log_n;
    y += logs[i];
    xx += log_n * log_n;
    xy += log_n * logs[i];
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

/// What a part's relation gives on the published means.
double from_means(const Claim& claim, const PartSpec& part) {
  static const auto means = published_means();
  const auto time = [&](const std::string& name, std::int64_t seqlen) {
    return means.at({published_name(claim.kernels.at(name)), seqlen});
  };
  const double sign = part.measure == Measure::speed ? 1 : -1;
  const auto log_ratio = [&](std::int64_t n) {
    return sign * std::log(time(part.against, n) / time(part.kernel, n));
  };
  std::vector<double> logs;
  switch (part.relation) {
    case Relation::ratio:
    case Relation::range:
      for (const auto n : part.lengths()) logs.push_back(log_ratio(n));
      return std::exp(std::accumulate(logs.begin(), logs.end(), 0.0) / static_cast<double>(logs.size()));
    case Relation::equivalence: {
      double largest = 0;
      for (const auto n : part.lengths()) {
        for (const auto& a : part.among) {
          for (const auto& b : part.among) largest = std::max(largest, time(a, n) / time(b, n) - 1);
        }
      }
      return largest;
    }
    case Relation::trend:
      for (const auto n : part.seqlens) logs.push_back(log_ratio(n));
      return std::exp2(slope(part.seqlens, logs));
    case Relation::crossover:
      for (std::size_t i = 1; i < part.seqlens.size(); ++i) {
        const double a = log_ratio(part.seqlens[i - 1]);
        const double b = log_ratio(part.seqlens[i]);
        const auto from = static_cast<double>(part.seqlens[i - 1]);
        if (a < 0 && b > 0) return from * std::pow(static_cast<double>(part.seqlens[i]) / from, a / (a - b));
      }
      return 0;
    case Relation::step:
      return time(part.kernel, part.seqlens[1]) / time(part.kernel, part.seqlens[0]);
    case Relation::slope:
      for (const auto n : part.seqlens) logs.push_back(std::log(time(part.kernel, n)));
      return slope(part.seqlens, logs);
    case Relation::best_set:
    case Relation::cv_bound:
    case Relation::memory:
      break;
  }
  return 0;
}

TEST(BuiltinClaims, AreFifteenInOrder) {
  const auto claims = builtin_claims();
  ASSERT_EQ(claims.size(), 15u);
  for (std::size_t i = 0; i < claims.size(); ++i) {
    EXPECT_EQ(claims[i].number, static_cast<int>(i) + 1);
    EXPECT_EQ(claims[i].published_scope, "layer");
    EXPECT_EQ(claims[i].published_dtype, "f32");
  }
}

/// Every comparison of a claim, the headline's first.
std::vector<PartSpec> comparisons(const Claim& claim) {
  auto all = claim.headline.parts;
  all.insert(all.end(), claim.details.begin(), claim.details.end());
  return all;
}

TEST(BuiltinClaims, QuoteTheFindingAndNameNoCause) {
  for (const auto& claim : builtin_claims()) {
    EXPECT_THAT(claim.headline.source,
                HasSubstr("finding " + std::to_string(claim.number) + " of the publication"));
    for (const auto* cause : {"L2", "cache misses", "AMX", "unified memory"})
      EXPECT_THAT(claim.headline.quote + claim.title, Not(HasSubstr(cause))) << claim.id;
  }
}

// Where the publication's own means contradict what it says.
TEST(BuiltinClaims, ContradictedByTheirOwnMeans) {
  std::set<int> contradicted;
  for (const auto& claim : builtin_claims()) {
    for (const auto& part : claim.headline.parts) {
      if (contradicted_by_means(part)) contradicted.insert(claim.number);
    }
  }
  EXPECT_EQ(contradicted, (std::set{9, 14, 15}));
}

TEST(BuiltinClaims, UseEveryRelation) {
  std::set<Relation> used;
  for (const auto& claim : builtin_claims()) {
    for (const auto& part : comparisons(claim)) used.insert(part.relation);
  }
  EXPECT_EQ(used.size(), 10u);
}

TEST(BuiltinClaims, FromMeansFollowFromThePublishedTable) {
  int checked = 0;
  for (const auto& claim : builtin_claims()) {
    for (const auto& part : comparisons(claim)) {
      if (!part.from_means) continue;
      // Four decimals; of an N one, of a share five.
      const double digits = part.relation == Relation::crossover     ? 0.051
                            : part.relation == Relation::equivalence ? 0.0000051
                                                                     : 0.000051;
      EXPECT_NEAR(*part.from_means, from_means(claim, part), digits) << claim.id << " N = " << part.seqlen;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 40);
}

// x2.54 after x1.22 is 2.09 times the step before; block-sparse's step is 0.53 times MHA's.
TEST(BuiltinClaims, QuotientsOfStepsFollowFromThePublishedTable) {
  const auto means = published_means();
  const auto step = [&](const char* name, std::int64_t from) {
    return means.at({name, 2 * from}) / means.at({name, from});
  };
  const auto quotient = [](std::size_t number) {
    return *builtin_claims().at(number - 1).headline.parts[0].published_quotient();
  };
  EXPECT_NEAR(quotient(8), step("MHA", 512) / step("MHA", 256), 0.0002);
  EXPECT_NEAR(quotient(8), 2.09, 0.005);
  EXPECT_NEAR(quotient(13), step("BlockSparse(bs=32)", 512) / step("MHA", 512), 0.0001);
  EXPECT_NEAR(quotient(13), 0.53, 0.005);
}

// A companion takes any kernel of a mechanism, which the title of a finding about an implementation denies.
TEST(BuiltinClaims, FindingsAboutImplementationsHaveNoCompanion) {
  for (const auto& claim : builtin_claims()) {
    const bool is_about_mechanisms = claim.number == 2 || claim.number == 3 || claim.number == 4 ||
                                     claim.number == 6 || claim.number == 7 || claim.number == 12 ||
                                     claim.number == 13;
    EXPECT_EQ(!claim.best.empty(), is_about_mechanisms) << claim.id;
    for (const auto& [name, selector] : claim.best) EXPECT_TRUE(selector.ends_with('/')) << claim.id;
  }
}

// Whatever the published means can give is given: all but memory, CVs, names, and the order of slopes.
TEST(BuiltinClaims, HaveFromMeansWhereTheMeansAllow) {
  for (const auto& claim : builtin_claims()) {
    for (const auto& part : comparisons(claim)) {
      const bool possible = part.relation != Relation::best_set && part.relation != Relation::cv_bound &&
                            part.relation != Relation::memory &&
                            (part.relation != Relation::slope || !part.has_direction());
      EXPECT_EQ(part.from_means.has_value(), possible) << claim.id;
    }
  }
}

// The printed values of the publication, as its findings list them.
TEST(BuiltinClaims, PrintedValues) {
  const auto claims = builtin_claims();
  const auto printed = [&](int number) {
    std::vector<double> values;
    for (const auto& part : comparisons(claims.at(static_cast<std::size_t>(number) - 1))) {
      if (part.printed) values.push_back(part.printed->low);
    }
    return values;
  };
  EXPECT_EQ(printed(1), (std::vector{5.7, 7.3}));
  EXPECT_EQ(printed(2), (std::vector{1.90, 0.79, 0.87, 1.01}));
  EXPECT_EQ(printed(3), (std::vector{1.06, 1.06, 1.06, 1.06, 1.06}));
  EXPECT_EQ(printed(4), (std::vector{1.59, 0.64, 0.78, 0.86, 768.0}));
  EXPECT_EQ(printed(5), (std::vector{1.63, 1.75, 2.96}));
  EXPECT_EQ(printed(6), (std::vector{1.20, 0.93, 1.10}));
  EXPECT_EQ(printed(8), (std::vector{2.54}));
  EXPECT_EQ(printed(11), (std::vector{0.5, 0.875}));
  EXPECT_EQ(printed(12), (std::vector{1.73, 0.89, 0.76}));
  for (const auto& part : claims[14].headline.parts) EXPECT_EQ(part.between, (PublishedValue{5.8, 7.2}));
}

const std::string kRatio =
    "relation = \"ratio\"\nkernel = \"gqa\"\nagainst = \"mha\"\nseqlen = 128\nexpect = \"faster\"\n";
const std::string kWhole = kClaimHead + kQuoted + kRatio;

std::string changed(const std::string& text, const std::string& from, const std::string& to) {
  auto result = text;
  result.replace(result.find(from), from.size(), to);
  return result;
}

std::string error_of(const std::string& text) {
  try {
    parse_claim(text, "t", "t.toml");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}
std::string error_in(const std::string& from, const std::string& to) {
  return error_of(changed(kWhole, from, to));
}

// One comparison in [headline] itself, or several in [[headline.parts]].
TEST(ClaimFile, HeadlineOfOneOrSeveral) {
  const auto one = parse_claim(kWhole + "[[details]]\n" + kRatio, "t", "t.toml");
  EXPECT_EQ(one.headline.quote, "Q");
  ASSERT_EQ(one.headline.parts.size(), 1u);
  EXPECT_EQ(one.headline.parts[0].kernel, "gqa");
  EXPECT_EQ(one.details.size(), 1u);
  const auto part = "[[headline.parts]]\n" + kRatio;
  EXPECT_EQ(parse_claim(kClaimHead + kQuoted + part + part, "t", "t.toml").headline.parts.size(), 2u);
  EXPECT_THAT(error_of(kWhole + part), HasSubstr("t.toml:18: key: 'against' is not known here"));
}

TEST(ClaimFile, AmongIsAllKernelsUnlessNamed) {
  const auto among = [](const std::string& more) {
    return parse_claim(kClaimHead + kQuoted + "relation = \"cv_bound\"\nseqlen = 128\nbound = 0.06\n" + more,
                       "t", "t.toml")
        .headline.parts[0]
        .among;
  };
  EXPECT_THAT(among(""), UnorderedElementsAre("mha", "gqa", "linear"));
  EXPECT_THAT(among("among = [\"gqa\"]\n"), ElementsAre("gqa"));
}

TEST(ClaimFile, TheFormOfEarlierVersionsIsRefusedByName) {
  const auto old_form = std::string(kClaimHead) + "statement = \"S\"\n[[parts]]\n" + kRatio;
  EXPECT_THAT(error_of(old_form), HasSubstr("t.toml: [headline]: '' is missing"));
  EXPECT_THAT(error_of(old_form), HasSubstr("[[details]]"));
}

TEST(ClaimFile, ErrorsNameFileLineFieldAndValue) {
  EXPECT_EQ(error_of(kWhole), "accepted");
  EXPECT_EQ(
      error_in("\"faster\"", "\"fastr\""),
      "t.toml:20: expect: 'fastr' is not one of faster, slower, rising, falling, larger, smaller, above, "
      "below (did you mean 'faster'?)");
  EXPECT_THAT(error_in("relation = \"ratio\"", "relation = \"ratoi\""), HasSubstr("did you mean 'ratio'?"));
  EXPECT_THAT(error_in("kernel = \"gqa\"", "kernel = \"gqaa\""),
              HasSubstr("t.toml:17: kernel: 'gqaa' is not a name of [kernels] (did you mean 'gqa'"));
  EXPECT_THAT(error_in("expect =", "expct ="),
              HasSubstr("key: 'expct' is not known here (did you mean 'expect'"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = 0"), HasSubstr("t.toml:19: seqlen: '0'"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = [128]"),
              HasSubstr("seqlen: 'a list of 1' is not a whole number"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlens = [256, 128]"), HasSubstr("'128' does not follow 256"));
  EXPECT_THAT(error_in("seqlen = 128\n", ""),
              HasSubstr("[headline]: 'seqlen, seqlens' exactly one of the two"));
  EXPECT_THAT(error_in("kernel = \"gqa\"\n", ""),
              HasSubstr("[headline]: 'kernel' is missing; relation \"ratio\""));
  EXPECT_THAT(error_in("expect = \"faster\"\n", ""), HasSubstr("[headline]: 'expect' is missing"));
  EXPECT_THAT(error_in("quote = \"Q\"\n", ""), HasSubstr("t.toml:13: [headline]: 'quote' is missing"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = 128\nbound = 1"),
              HasSubstr("key: 'bound' means nothing for relation \"ratio\""));
  EXPECT_THAT(error_in("\"faster\"", "\"rising\""), HasSubstr("takes \"faster\" or \"slower\""));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = 128\nprinted = -1"),
              HasSubstr("printed: '-1' is not a number"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = 128\nprinted = nan"),
              HasSubstr("printed: 'nan' is not a number"));
  EXPECT_THAT(error_in("seqlen = 128", "seqlen = 128\nprinted = [2, 1]"), HasSubstr("printed: '[2, 1]'"));
  EXPECT_THAT(error_in("against = \"mha\"", "against = \"gqa\""), HasSubstr("'gqa' is the kernel itself"));
  EXPECT_THAT(error_in("mha/unfused", "mah/unfused"), HasSubstr("did you mean 'mha'"));
  EXPECT_THAT(error_in("number = 1", "number = \"one\""), HasSubstr("t.toml:1: number: 'one'"));
  EXPECT_THAT(error_in("dtype = \"f32\"", "dtype = \"f23\""), HasSubstr("f23"));
  EXPECT_THAT(error_in("title = \"T\"\n", ""), HasSubstr("t.toml: title: '' is missing"));
  EXPECT_THAT(error_of("number = \n"), HasSubstr("t.toml:1: not valid TOML"));
  EXPECT_THAT(error_of(kClaimHead), HasSubstr("[headline]: '' is missing"));
  EXPECT_THAT(error_of(kWhole + "[[details]]\n"), HasSubstr("[[details]]: 'relation' is missing"));
  EXPECT_THAT(error_of(kWhole + "[best]\ngqq = \"gqa(kv=4)/\"\n"),
              HasSubstr("[best]: 'gqq' is not a name of [kernels] (did you mean 'gqa'"));
}

TEST(ClaimFile, ErrorsOfRelationsOverSeveralLengths) {
  const auto part = [](const std::string& relation, const std::string& more) {
    return error_of(kWhole + "[[details]]\nrelation = \"" + relation + "\"\nkernel = \"gqa\"\n" + more);
  };
  EXPECT_THAT(part("step", "seqlens = [1, 2, 3]\nagainst_seqlens = [1, 2]\nexpect = \"larger\"\n"),
              HasSubstr("is not [from, to]"));
  EXPECT_THAT(part("step", "seqlens = [1, 2]\nexpect = \"larger\"\n"), HasSubstr("exactly one of the two"));
  EXPECT_THAT(
      part("step",
           "seqlens = [2, 4]\nagainst_seqlens = [1, 2]\nexpect = \"larger\"\nagainst_from_means = 2\n"),
      HasSubstr("'from_means' is missing; against_from_means needs it"));
  EXPECT_THAT(part("slope", "seqlens = [128]\nexpect = \"above\"\nbound = 1\n"), HasSubstr("two are needed"));
  EXPECT_THAT(part("crossover", "against = \"mha\"\nseqlens = [128, 256]\nbetween = [100, 200]\n"),
              HasSubstr("between: '[100, 200]' is not within the seqlens 128 to 256"));
  EXPECT_THAT(part("slope", "seqlens = [128, 256]\nbound = 1\n"),
              HasSubstr("[[details]]: 'expect' is missing"));
  EXPECT_THAT(part("range", "against = \"mha\"\nseqlen = 128\nbetween = 5\n"),
              HasSubstr("between: '5' is not [low, high]"));
  EXPECT_THAT(part("best_set", "seqlen = 128\namong = [\"mha\", \"linear\"]\n"),
              HasSubstr("kernel: 'gqa' is not one of `among`"));
}

using ClaimFolder = StoreFixture;

TEST_F(ClaimFolder, TakesEveryTomlFile) {
  write_text(path("b.toml"), kWhole);
  write_text(path("a.toml"), changed(kWhole, "number = 1", "number = 2"));
  write_text(path("notes.txt"), "no claim");
  const auto claims = load_claims(directory_.string());
  ASSERT_EQ(claims.size(), 2u);
  EXPECT_EQ(claims[0].id, "b");
  EXPECT_EQ(claims[1].id, "a");
}

TEST_F(ClaimFolder, RefusesWhatIsNoSetOfClaims) {
  EXPECT_THAT(error_of([&] { load_claims(path("none")); }), HasSubstr("cannot be read"));
  EXPECT_THAT(error_of([&] { load_claims(directory_.string()); }), HasSubstr("has no claim files"));
  write_text(path("a.toml"), kWhole);
  write_text(path("b.toml"), kWhole);
  EXPECT_THAT(error_of([&] { load_claims(directory_.string()); }),
              HasSubstr("number: '1' is that of two claims, a and b"));
}

}  // namespace
}  // namespace attnbench

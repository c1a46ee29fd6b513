// Every reader on damaged input: it is read, or refused with an InputError. Anything else a command would
// call a fault of its own, or die of.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <random>

#include "analysis/compare.h"
#include "attnbench/error.h"
#include "claims/answer_claims.h"
#include "claims/load_claims.h"
#include "io/files.h"
#include "io/json.h"
#include "plan/find_study.h"
#include "report/claims_table.h"
#include "report/kernels_csv.h"
#include "report/summary.h"
#include "report/summary_check.h"
#include "report/table.h"
#include "report/verdict_table.h"
#include "store/export.h"
#include "store/import.h"
#include "store/sqlite.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using nlohmann::json;

class Mutator {
 public:
  std::size_t below(std::size_t limit) { return random_() % limit; }

  /// One to three bytes, stretches or numbers changed.
  std::string text(std::string text) {
    for (auto changes = 1 + below(3); changes > 0 && !text.empty(); --changes) {
      const auto at = below(text.size());
      const auto length = std::min(text.size() - at, 1 + below(20));
      switch (below(7)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(at, length));
          break;
        case 3:
          text.insert(at, std::string(1, "\xff\0\"[{,\n-"[below(8)]));
          break;
        case 4:
          text.resize(at);
          break;
        default:
          replace_number(text, at);
      }
    }
    return text;
  }

  /// One to three values anywhere in the document replaced or taken out.
  json document(json document) {
    for (auto changes = 1 + below(3); changes > 0; --changes) {
      json* parent = nullptr;
      json* at = &document;
      std::string key;
      std::size_t index = 0;
      while (at->is_structured() && !at->empty() && (parent == nullptr || below(6) != 0)) {
        parent = at;
        index = below(at->size());
        auto next = at->begin();
        std::advance(next, index);
        if (at->is_object()) key = next.key();
        at = &*next;
      }
      if (parent != nullptr && below(6) == 0) {
        if (parent->is_object())
          parent->erase(key);
        else
          parent->erase(index);
      } else {
        *at = value();
      }
    }
    return document;
  }

 private:
  void replace_number(std::string& text, std::size_t from) {
    const auto at = text.find_first_of("0123456789", from);
    if (at == std::string::npos) return;
    const auto end = std::min(text.find_first_not_of("0123456789.", at), text.size());
    constexpr std::array kNumbers{"0",   "-1",  "1e308", "4294967297", "9223372036854775808", "0.5", "1e-320",
                                  "nan", "inf", "2",     "7",          "9223372036854775807", "1e18"};
    text.replace(at, end - at, kNumbers[below(kNumbers.size())]);
  }

  json value() {
    static const std::vector<json> values = {nullptr,
                                             true,
                                             false,
                                             0,
                                             -1,
                                             1.5,
                                             1e308,
                                             4294967297,
                                             std::uint64_t{1} << 63,
                                             "",
                                             "x",
                                             "mha",
                                             "caf\xc3\xa9",
                                             json::array(),
                                             json::object(),
                                             json::array({1, "a"}),
                                             {{"a", nullptr}},
                                             7,
                                             "nan",
                                             "1e999"};
    return values[below(values.size())];
  }

  std::mt19937_64 random_{20261129};
};

class Mutated : public StoreFixture {
 protected:
  /// Everything that commands make of a store.
  void use(const std::string& file) {
    const auto runs = read_runs(file);
    if (runs.empty()) return;
    const auto analysis = analyze(runs);
    const auto answers = answer_claims(claims(), analysis.runs);
    const auto summary = summary_json(analysis, answers);
    check_summary(parse_json(json_text(summary), "summary"));
    kernels_csv(analysis);
    for (const auto& run : analysis.runs) {
      run_table(run) + verdict_table(run) + markdown_table(run) + latex_table(run) +
          claims_table(answers, run) + claims_explained(answers, run);
    }
    try {
      compare_sessions(analysis.runs[0], analysis.runs[0], ComparisonBasis::kRelative, 0.02);
    } catch (const InputError&) {  // there need be nothing to compare
    }
    samples_jsonl(runs);
    samples_csv(runs);
    environment_text(runs);
    if (mutate_.below(8) != 0) return;  // a new store waits for the disk
    std::filesystem::remove(path("merged.db"));
    auto store = Store::open(path("merged.db"), Store::Mode::write);
    merge_runs(store, runs);
  }

  /// Counts what was refused; any other exception is a failure of the test.
  template <typename Make>
  void expect_read_or_refused(int count, Make make) {
    int refused = 0;
    std::string first_refusal;
    for (int i = 0; i < count; ++i) {
      try {
        make();
      } catch (const InputError& error) {
        if (++refused == 1) first_refusal = error.what();
        EXPECT_LT(std::string(error.what()).size(), 20000U);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "mutation " << i << ": " << error.what() << "\n" << last_;
      }
    }
    EXPECT_GT(refused, count / 4);
    EXPECT_LT(refused, count) << "no mutation was read: " << first_refusal;
  }

  static const std::vector<Claim>& claims() {
    static const auto all = builtin_claims();
    return all;
  }

  Mutator mutate_;
  std::string last_;  ///< what was changed
};

TEST_F(Mutated, ExportsAndTheirEnvironments) {
  const auto csv = samples_csv({sample_contents()});
  const auto environment = environment_text({sample_contents()});
  write_text(path("a.env.json"), environment);
  expect_read_or_refused(100, [&] {
    last_ = mutate_.text(csv);
    write_text(path("a.csv"), last_);
    use(path("a.csv"));
  });
  write_text(path("a.csv"), csv);
  expect_read_or_refused(300, [&] {
    last_ = json_text(mutate_.document(json::parse(environment)), 1);
    write_text(path("a.env.json"), last_);
    use(path("a.csv"));
  });
  expect_read_or_refused(100, [&] {
    last_ = mutate_.text(environment);
    write_text(path("a.env.json"), last_);
    use(path("a.csv"));
  });
}

TEST_F(Mutated, PublishedTables) {
  const auto table = read_text_file(ATTNBENCH_SOURCE_DIR "/data/m4_mlx_published.csv");
  expect_read_or_refused(200, [&] {
    last_ = mutate_.text(table);
    write_text(path("p.csv"), last_);
    use(path("p.csv"));
  });
}

TEST_F(Mutated, Stores) {
  Store::open(path("whole.db"), Store::Mode::write).add_contents({sample_contents()});
  const auto whole = read_text(path("whole.db"));
  const std::vector<std::pair<const char*, const char*>> columns = {
      {"run", "plan_json"},        {"run", "environment_json"}, {"cell", "cpus_json"},
      {"process", "noise_json"},   {"process", "orders_json"},  {"process", "order_kernels_json"},
      {"cell", "seqlens_kv_json"}, {"process", "kernels_json"}, {"run", "study"},
      {"cell", "cell_id"},         {"cell", "device"},          {"process", "reason"}};
  expect_read_or_refused(100, [&] {
    write_text(path("a.db"), whole);
    const auto& [table, column] = columns[mutate_.below(columns.size())];
    sqlite::Connection connection(path("a.db"), SQLITE_OPEN_READWRITE);
    connection.execute("PRAGMA synchronous = OFF");
    sqlite::Statement read(connection, fmt::format("SELECT {} FROM {} LIMIT 1", column, table));
    read.next();
    const auto text = read.take<std::string>();
    const bool is_json = std::string_view(column).ends_with("_json");
    const auto changed =
        is_json && mutate_.below(3) > 0 ? json_text(mutate_.document(json::parse(text))) : mutate_.text(text);
    last_ = fmt::format("{}.{} = {}", table, column, changed);
    sqlite::Statement(connection, fmt::format("UPDATE {} SET {} = ?", table, column)).run(changed);
    use(path("a.db"));
  });
  expect_read_or_refused(100, [&] {
    auto bytes = whole;
    for (int i = 0; i < 4; ++i) bytes[mutate_.below(bytes.size())] = static_cast<char>(mutate_.below(256));
    write_text(path("a.db"), bytes);
    use(path("a.db"));
  });
}

TEST_F(Mutated, StudiesAndClaims) {
  const std::string folder = ATTNBENCH_SOURCE_DIR;
  const auto study = read_text_file(folder + "/studies/smoke.toml");
  expect_read_or_refused(300, [&] {
    last_ = mutate_.text(study);
    load_study(last_, "study.toml");
  });
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/claims")) {
    if (entry.path().extension() == ".toml") texts.push_back(read_text_file(entry.path().string()));
  }
  std::sort(texts.begin(), texts.end());
  expect_read_or_refused(400, [&] {
    last_ = mutate_.text(texts[mutate_.below(texts.size())]);
    parse_claim(last_, "claim", "claim.toml");
  });
}

TEST_F(Mutated, Summaries) {
  write_text(path("p.csv"), read_text_file(ATTNBENCH_SOURCE_DIR "/data/m4_mlx_published.csv"));
  const auto summary = summary_json(analyze(read_runs(path("p.csv"))), {});
  expect_read_or_refused(150, [&] {
    last_ = json_text(mutate_.document(summary));
    check_summary(parse_json(last_, "summary.json"));
  });
}

}  // namespace
}  // namespace attnbench

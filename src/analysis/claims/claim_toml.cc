#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/claims/load_claims.h"
#include "attnbench/dtype.h"
#include "attnbench/error.h"
#include "attnbench/problem.h"
#include "plan/study.h"
#include "plan/toml_fields.h"

namespace attnbench {
namespace {

using namespace toml_fields;

double positive(std::string_view field, const toml::node& node) {
  const auto number = node.value<double>();
  if (!number || node.is_string() || !(*number > 0) || !std::isfinite(*number))
    throw InputError(field, shown(node), "is not a number above 0");
  return *number;
}

std::int64_t whole(std::string_view field, const toml::node& node) {
  const auto* number = node.as_integer();
  if (number == nullptr || number->get() < 1)
    throw InputError(field, shown(node), "is not a whole number of at least 1");
  return number->get();
}

std::vector<std::int64_t> lengths(std::string_view field, const toml::node& node) {
  std::vector<std::int64_t> list;
  for_each_value(field, node, [&](const toml::node& value) {
    list.push_back(whole(field, value));
    if (list.size() > 1 && list[list.size() - 2] >= list.back())
      throw InputError(field, shown(value), fmt::format("does not follow {}", list[list.size() - 2]));
  });
  return list;
}

/// A number, or [low, high].
PublishedValue published_value(std::string_view field, const toml::node& node) {
  const auto* list = node.as_array();
  if (list == nullptr) {
    const double value = positive(field, node);
    return {value, value};
  }
  if (list->size() != 2) throw InputError(field, shown(node), "is neither a number nor [low, high]");
  const PublishedValue value{positive(field, list->at(0)), positive(field, list->at(1))};
  if (value.low >= value.high)
    throw InputError(field, fmt::format("[{}, {}]", value.low, value.high), "does not go from low to high");
  return value;
}

using Parts = std::vector<PartSpec>;

/// What a relation needs, may have, and may expect.
struct Needs {
  std::vector<std::string> required, optional;
  std::vector<Expect> expects;  ///< empty: expects nothing
};

const Needs& needs(Relation relation) {
  static const std::map<Relation, Needs> all = {
      {Relation::ratio,
       {{"kernel", "against", "seqlen", "expect"},
        {"measure", "printed", "from_means"},
        {Expect::faster, Expect::slower}}},
      {Relation::equivalence,
       {{"kernel", "against", "seqlen"}, {"margin", "measure", "printed", "from_means"}, {}}},
      {Relation::best_set, {{"among"}, {"kernel", "seqlen", "seqlens"}, {}}},
      {Relation::trend,
       {{"kernel", "against", "seqlens", "expect"},
        {"measure", "printed", "from_means"},
        {Expect::rising, Expect::falling}}},
      {Relation::crossover, {{"kernel", "against", "seqlens", "between"}, {"printed", "from_means"}, {}}},
      {Relation::step,
       {{"kernel", "seqlens", "expect"},
        {"against", "against_seqlens", "printed", "from_means"},
        {Expect::larger, Expect::smaller}}},
      {Relation::slope,
       {{"kernel", "seqlens", "expect"},
        {"against", "bound", "printed", "from_means"},
        {Expect::above, Expect::below}}},
      {Relation::cv_bound, {{"kernel", "seqlen", "bound"}, {}, {}}},
      {Relation::memory, {{"kernel", "against", "printed"}, {"from_means"}, {}}},
  };
  return all.at(relation);
}

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// Whether the keys of a part suit its relation.
void check_keys(const std::set<std::string>& given, const PartSpec& part) {
  const auto& wanted = needs(part.relation);
  const auto relation = name(part.relation);
  for (const auto& key : wanted.required) {
    if (!given.contains(key))
      throw InputError("[[parts]]", key, fmt::format("is missing; relation \"{}\" needs it", relation));
  }
  for (const auto& key : given) {
    if (key == "relation" || key == "shown_only") continue;
    if (!holds(wanted.required, key) && !holds(wanted.optional, key))
      throw InputError("key", key, fmt::format("means nothing for relation \"{}\"", relation));
  }
  if (part.expect != Expect::nothing &&
      std::find(wanted.expects.begin(), wanted.expects.end(), part.expect) == wanted.expects.end()) {
    throw InputError("expect", name(part.expect),
                     fmt::format("means nothing for relation \"{}\": it takes \"{}\" or \"{}\"", relation,
                                 name(wanted.expects[0]), name(wanted.expects[1])));
  }
}

/// Exactly one of two keys.
void check_one_of(const std::set<std::string>& given, const char* a, const char* b, std::string_view of) {
  if (given.contains(a) == given.contains(b))
    throw InputError("[[parts]]", fmt::format("{}, {}", a, b),
                     fmt::format("exactly one of the two is needed for {}", of));
}

void check_lengths(const std::set<std::string>& given, const PartSpec& part) {
  const auto show = [](const auto& list) { return fmt::format("[{}]", fmt::join(list, ", ")); };
  if (given.contains("seqlens") && part.seqlens.size() < 2)
    throw InputError("seqlens", show(part.seqlens), "is one length; two are needed");
  if (part.relation == Relation::step) {
    if (part.seqlens.size() != 2) throw InputError("seqlens", show(part.seqlens), "is not [from, to]");
    if (given.contains("against_seqlens") && part.against_seqlens.size() != 2)
      throw InputError("against_seqlens", show(part.against_seqlens), "is not [from, to]");
  }
  if (part.relation == Relation::crossover) {
    const auto first = static_cast<double>(part.seqlens.front());
    const auto last = static_cast<double>(part.seqlens.back());
    if (!part.between.is_range())
      throw InputError("between", fmt::format("{}", part.between.low), "is not [low, high]");
    if (part.between.low < first || part.between.high > last) {
      throw InputError("between", fmt::format("[{}, {}]", part.between.low, part.between.high),
                       fmt::format("is not within the seqlens {} to {}", first, last));
    }
  }
}

/// A [[parts]] table; lists of kernels and lengths are axes.
Parts read_part(const toml::table& table, const Claim& claim, const std::string& source) {
  PartSpec part;
  std::vector<std::string> kernels;
  std::vector<std::int64_t> seqlens;
  std::vector<std::string> known;
  for (const auto& [key, selector] : claim.kernels) known.push_back(key);
  const auto kernel_name = [&](std::string_view field, const toml::node& node) {
    auto text = text_of(field, node);
    if (!holds(known, text))
      throw InputError(field, text, "is not a name of [kernels]" + suggestion(text, known));
    return text;
  };
  const auto names = [&](std::vector<std::string>& list) {
    return [&](const std::string& field, const toml::node& node) {
      for_each_value(field, node, [&](const auto& value) { list.push_back(kernel_name(field, value)); });
    };
  };
  std::set<std::string> given;
  const Readers readers = {
      {"relation", [&](const auto& f, const auto& n) { part.relation = parse_relation(text_of(f, n)); }},
      {"kernel", names(kernels)},
      {"against", [&](const auto& f, const auto& n) { part.against = kernel_name(f, n); }},
      {"among", names(part.among)},
      {"seqlen", [&](const auto& f, const auto& n) { seqlens = lengths(f, n); }},
      {"seqlens", [&](const auto& f, const auto& n) { part.seqlens = lengths(f, n); }},
      {"against_seqlens", [&](const auto& f, const auto& n) { part.against_seqlens = lengths(f, n); }},
      {"expect", [&](const auto& f, const auto& n) { part.expect = parse_expect(text_of(f, n)); }},
      {"measure", [&](const auto& f, const auto& n) { part.measure = parse_measure(text_of(f, n)); }},
      {"margin", [&](const auto& f, const auto& n) { part.margin = positive(f, n); }},
      {"bound", [&](const auto& f, const auto& n) { part.bound = positive(f, n); }},
      {"between", [&](const auto& f, const auto& n) { part.between = published_value(f, n); }},
      {"printed", [&](const auto& f, const auto& n) { part.printed = published_value(f, n); }},
      {"from_means", [&](const auto& f, const auto& n) { part.from_means = positive(f, n); }},
      {"shown_only",
       [&](const auto& f, const toml::node& n) {
         const auto* flag = n.as_boolean();
         if (flag == nullptr) throw InputError(f, shown(n), "is neither true nor false");
         part.shown_only = flag->get();
       }},
  };
  for (const auto& [key, node] : table) given.insert(std::string(key.str()));
  read_keys(table, source, readers);
  Parts parts;
  located(source, line_of(table), [&] {
    if (!given.contains("relation")) throw InputError("[[parts]]", "relation", "is missing");
    check_keys(given, part);
    if (part.relation == Relation::best_set) {
      check_one_of(given, "kernel", "seqlens", "best_set: a kernel that is the fastest, or lengths between");
      check_one_of(given, "seqlen", "seqlens", "best_set");
      if (part.among.size() < 2) throw InputError("among", part.among[0], "is one kernel; two are needed");
      for (const auto& kernel : kernels) {
        if (!holds(part.among, kernel)) throw InputError("kernel", kernel, "is not one of `among`");
      }
    }
    if (part.relation == Relation::step) check_one_of(given, "against", "against_seqlens", "step");
    if (part.relation == Relation::slope) check_one_of(given, "against", "bound", "slope");
    check_lengths(given, part);
    if (kernels.empty()) kernels.emplace_back();
    if (seqlens.empty()) seqlens.push_back(0);
    if (kernels.size() * seqlens.size() > 1 && part.from_means)
      throw InputError("from_means", fmt::format("{}", *part.from_means), "is one value for several parts");
    for (const auto& kernel : kernels) {
      if (!kernel.empty() && kernel == part.against && part.relation != Relation::step)
        throw InputError("against", kernel, "is the kernel itself");
      for (const auto seqlen : seqlens) {
        part.kernel = kernel;
        part.seqlen = seqlen;
        parts.push_back(part);
      }
    }
  });
  return parts;
}

const toml::table& table_of(std::string_view field, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr) throw InputError(field, shown(node), fmt::format("is not a table [{}]", field));
  return *table;
}

void read_where(const toml::table& table, const std::string& source, Claim& claim) {
  auto& where = claim.where;
  read_keys(table, source,
            {{"phase", [&](const auto& f, const auto& n) { where.phase = name(parse_phase(text_of(f, n))); }},
             {"condition",
              [&](const auto& f, const auto& n) { where.condition = name(parse_condition(text_of(f, n))); }},
             {"batch", [&](const auto& f, const auto& n) { where.batch = whole(f, n); }},
             {"heads", [&](const auto& f, const auto& n) { where.heads = whole(f, n); }},
             {"head_dim", [&](const auto& f, const auto& n) { where.head_dim = whole(f, n); }}});
}

void read_published(const toml::table& table, const std::string& source, Claim& claim) {
  read_keys(table, source,
            {{"scope", [&](const auto& f,
                           const auto& n) { claim.published_scope = name(parse_scope(text_of(f, n))); }},
             {"dtype", [&](const auto& f, const auto& n) {
                claim.published_dtype = name(parse_dtype(text_of(f, n)));
              }}});
}

/// Names and selectors; each selector names a mechanism.
void read_selectors(const toml::table& table, const std::string& source,
                    std::map<std::string, std::string>& selectors) {
  for (const auto& [key, node] : table) {
    const std::string field(key.str());
    located(source, static_cast<int>(key.source().begin.line), [&, &value = node] {
      const auto selector = text_of(field, value);
      mechanism_of(field, selector);
      selectors[field] = selector;
    });
  }
}

}  // namespace

Claim parse_claim(std::string_view text, const std::string& id, const std::string& source) {
  const auto document = parse_toml(text, source);
  Claim claim;
  claim.id = id;
  const auto words = [&](std::string& field) {
    return [&field](const std::string& key, const toml::node& node) { field = text_of(key, node); };
  };
  read_keys(
      document, source,
      {{"number", [&](const auto& f, const auto& n) { claim.number = static_cast<int>(whole(f, n)); }},
       {"title", words(claim.title)},
       {"statement", words(claim.statement)},
       {"where", [&](const auto& f, const auto& n) { read_where(table_of(f, n), source, claim); }},
       {"published", [&](const auto& f, const auto& n) { read_published(table_of(f, n), source, claim); }},
       {"kernels",
        [&](const auto& f, const auto& n) { read_selectors(table_of(f, n), source, claim.kernels); }},
       {"best", [&](const auto& f, const auto& n) { read_selectors(table_of(f, n), source, claim.best); }},
       {"parts", [](const auto& f, const toml::node& n) {
          if (!n.is_array_of_tables()) throw InputError(f, shown(n), "is not [[parts]] tables");
        }}});
  const std::pair<const char*, bool> required[] = {{"number", claim.number > 0},
                                                   {"title", !claim.title.empty()},
                                                   {"statement", !claim.statement.empty()},
                                                   {"[published] scope", !claim.published_scope.empty()},
                                                   {"[published] dtype", !claim.published_dtype.empty()},
                                                   {"[kernels]", !claim.kernels.empty()},
                                                   {"[[parts]]", document.contains("parts")}};
  for (const auto& [field, given] : required) {
    if (!given) throw InputError(fmt::format("{}: {}: '' is missing", source, field));
  }
  std::vector<std::string> known;
  for (const auto& [key, selector] : claim.kernels) known.push_back(key);
  for (const auto& [key, selector] : claim.best) {
    if (!claim.kernels.contains(key))
      throw InputError(
          fmt::format("{}: [best]: '{}' is not a name of [kernels]{}", source, key, suggestion(key, known)));
  }
  for (const auto& table : *document["parts"].as_array()) {
    for (auto& part : read_part(*table.as_table(), claim, source)) claim.parts.push_back(std::move(part));
  }
  return claim;
}

}  // namespace attnbench

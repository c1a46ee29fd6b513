#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "attnbench/dtype.h"
#include "attnbench/error.h"
#include "attnbench/problem.h"
#include "claims/load_claims.h"
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

/// What a relation needs, may have, and may expect.
struct Needs {
  std::vector<std::string> required, optional;
  std::vector<Expect> expects;  ///< empty: expects nothing
};

const Needs& needs(Relation relation) {
  static const std::map<Relation, Needs> all = {
      {Relation::ratio,
       {{"kernel", "against"},
        {"seqlen", "seqlens", "expect", "measure", "printed", "from_means"},
        {Expect::faster, Expect::slower}}},
      {Relation::range, {{"kernel", "against", "seqlen", "between"}, {"measure", "from_means"}, {}}},
      {Relation::equivalence, {{}, {"among", "seqlen", "seqlens", "margin", "from_means"}, {}}},
      {Relation::best_set, {{}, {"among", "kernel", "seqlen", "seqlens"}, {}}},
      {Relation::trend,
       {{"kernel", "against", "seqlens", "expect"},
        {"measure", "printed", "from_means"},
        {Expect::rising, Expect::falling}}},
      {Relation::crossover, {{"kernel", "against", "seqlens", "between"}, {"printed", "from_means"}, {}}},
      {Relation::step,
       {{"kernel", "seqlens", "expect"},
        {"against", "against_seqlens", "printed", "from_means", "against_from_means"},
        {Expect::larger, Expect::smaller}}},
      {Relation::slope,
       {{"kernel", "seqlens"},
        {"expect", "against", "bound", "printed", "from_means"},
        {Expect::above, Expect::below}}},
      {Relation::cv_bound, {{"bound"}, {"among", "seqlen", "seqlens"}, {}}},
      {Relation::memory, {{"kernel", "against", "printed"}, {}, {}}},
  };
  return all.at(relation);
}

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// A table that states a comparison: "[headline]" or "[[details]]", and the keys found in it.
struct Stated {
  std::string place;
  std::set<std::string> given;

  bool has(const std::string& key) const { return given.contains(key); }
};

/// Whether the keys of a comparison suit its relation.
void check_keys(const Stated& stated, const PartSpec& part) {
  const auto& wanted = needs(part.relation);
  const auto relation = name(part.relation);
  for (const auto& key : wanted.required) {
    if (!stated.has(key))
      throw InputError(stated.place, key, fmt::format("is missing; relation \"{}\" needs it", relation));
  }
  for (const auto& key : stated.given) {
    if (key == "relation") continue;
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
void check_one_of(const Stated& stated, const char* a, const char* b, std::string_view of) {
  if (stated.has(a) == stated.has(b))
    throw InputError(stated.place, fmt::format("{}, {}", a, b),
                     fmt::format("exactly one of the two is needed for {}", of));
}

void check_lengths(const Stated& stated, const PartSpec& part) {
  const auto show = [](const auto& list) { return fmt::format("[{}]", fmt::join(list, ", ")); };
  if (stated.has("seqlens") && part.seqlens.size() < 2)
    throw InputError("seqlens", show(part.seqlens), "is one length; two are needed");
  if (part.relation == Relation::step) {
    if (part.seqlens.size() != 2) throw InputError("seqlens", show(part.seqlens), "is not [from, to]");
    if (stated.has("against_seqlens") && part.against_seqlens.size() != 2)
      throw InputError("against_seqlens", show(part.against_seqlens), "is not [from, to]");
  }
  if (stated.has("between") && !part.between.is_range())
    throw InputError("between", fmt::format("{}", part.between.low), "is not [low, high]");
  if (part.relation == Relation::crossover) {
    const auto first = static_cast<double>(part.seqlens.front());
    const auto last = static_cast<double>(part.seqlens.back());
    if (part.between.low < first || part.between.high > last) {
      throw InputError("between", fmt::format("[{}, {}]", part.between.low, part.between.high),
                       fmt::format("is not within the seqlens {} to {}", first, last));
    }
  }
}

/// What depends on the relation beyond its keys.
void check_relation(const Stated& stated, const PartSpec& part) {
  const auto relation = fmt::format("relation \"{}\"", name(part.relation));
  switch (part.relation) {
    case Relation::best_set:
      check_one_of(stated, "kernel", "seqlens", "best_set: a kernel that is the fastest, or lengths between");
      check_one_of(stated, "seqlen", "seqlens", relation);
      if (!part.kernel.empty() && !holds(part.among, part.kernel))
        throw InputError("kernel", part.kernel, "is not one of `among`");
      break;
    case Relation::ratio:
    case Relation::equivalence:
    case Relation::cv_bound:
      check_one_of(stated, "seqlen", "seqlens", relation);
      break;
    case Relation::step:
      check_one_of(stated, "against", "against_seqlens", relation);
      if (stated.has("against_from_means") && !stated.has("from_means"))
        throw InputError(stated.place, "from_means", "is missing; against_from_means needs it");
      break;
    case Relation::slope:
      if (stated.has("expect"))
        check_one_of(stated, "against", "bound", "an expected slope");
      else if (stated.has("against") || stated.has("bound"))
        throw InputError(stated.place, "expect", "is missing; a slope with `against` or `bound` needs it");
      break;
    case Relation::range:
    case Relation::trend:
    case Relation::crossover:
    case Relation::memory:
      break;
  }
  const bool compares = part.relation == Relation::best_set || part.relation == Relation::equivalence;
  if (compares && part.among.size() < 2)
    throw InputError("among", part.among[0], "is one kernel; two are needed");
  if (!part.kernel.empty() && part.kernel == part.against && part.relation != Relation::step)
    throw InputError("against", part.kernel, "is the kernel itself");
}

/// A table that states a comparison; keys of `others` are somebody else's.
PartSpec read_part(const toml::table& table, const Claim& claim, const std::string& source,
                   const std::string& place, const Readers& others) {
  PartSpec part;
  std::vector<std::string> known;
  for (const auto& [key, selector] : claim.kernels) known.push_back(key);
  const auto kernel_name = [&](std::string_view field, const toml::node& node) {
    auto text = text_of(field, node);
    if (!holds(known, text))
      throw InputError(field, text, "is not a name of [kernels]" + suggestion(text, known));
    return text;
  };
  Readers readers = {
      {"relation", [&](const auto& f, const auto& n) { part.relation = parse_relation(text_of(f, n)); }},
      {"kernel", [&](const auto& f, const auto& n) { part.kernel = kernel_name(f, n); }},
      {"against", [&](const auto& f, const auto& n) { part.against = kernel_name(f, n); }},
      {"among",
       [&](const auto& f, const auto& n) {
         for_each_value(f, n, [&](const auto& value) { part.among.push_back(kernel_name(f, value)); });
       }},
      {"seqlen", [&](const auto& f, const auto& n) { part.seqlen = whole(f, n); }},
      {"seqlens", [&](const auto& f, const auto& n) { part.seqlens = lengths(f, n); }},
      {"against_seqlens", [&](const auto& f, const auto& n) { part.against_seqlens = lengths(f, n); }},
      {"expect", [&](const auto& f, const auto& n) { part.expect = parse_expect(text_of(f, n)); }},
      {"measure", [&](const auto& f, const auto& n) { part.measure = parse_measure(text_of(f, n)); }},
      {"margin", [&](const auto& f, const auto& n) { part.margin = positive(f, n); }},
      {"bound", [&](const auto& f, const auto& n) { part.bound = positive(f, n); }},
      {"between", [&](const auto& f, const auto& n) { part.between = published_value(f, n); }},
      {"printed", [&](const auto& f, const auto& n) { part.printed = published_value(f, n); }},
      {"from_means", [&](const auto& f, const auto& n) { part.from_means = positive(f, n); }},
      {"against_from_means", [&](const auto& f, const auto& n) { part.against_from_means = positive(f, n); }},
  };
  readers.insert(others.begin(), others.end());
  read_keys(table, source, readers);
  Stated stated{place, {}};
  for (const auto& [key, node] : table) {
    if (!others.contains(std::string(key.str()))) stated.given.insert(std::string(key.str()));
  }
  located(source, line_of(table), [&] {
    if (!stated.has("relation")) throw InputError(place, "relation", "is missing");
    const bool is_of_many = part.relation == Relation::best_set || part.relation == Relation::equivalence ||
                            part.relation == Relation::cv_bound;
    if (is_of_many && part.among.empty()) part.among = known;
    check_keys(stated, part);
    check_relation(stated, part);
    check_lengths(stated, part);
  });
  return part;
}

/// The headline's comparisons: its own, or [[headline.parts]].
void read_headline(const toml::table& table, const std::string& source, Claim& claim) {
  auto& headline = claim.headline;
  const auto words = [](std::string& field) {
    return [&field](const std::string& key, const toml::node& node) { field = text_of(key, node); };
  };
  Readers own = {
      {"quote", words(headline.quote)}, {"source", words(headline.source)}, {"note", words(headline.note)}};
  if (const auto* parts = table.get("parts")) {
    own["parts"] = [](const auto& field, const toml::node& node) {
      if (!node.is_array_of_tables())
        throw InputError(field, shown(node), "is not [[headline.parts]] tables");
    };
    read_keys(table, source, own);
    for (const auto& part : *parts->as_array())
      headline.parts.push_back(read_part(*part.as_table(), claim, source, "[[headline.parts]]", {}));
  } else {
    headline.parts.push_back(read_part(table, claim, source, "[headline]", own));
  }
  located(source, line_of(table), [&] {
    for (const auto& [key, text] : {std::pair{"quote", &headline.quote}, {"source", &headline.source}}) {
      if (text->empty()) throw InputError("[headline]", key, "is missing");
    }
    for (const auto& part : headline.parts) {
      if (!part.has_direction())
        throw InputError("[headline]", "expect", "is missing; only a detail can do without a direction");
    }
  });
}

Claim::Beside read_beside(const toml::table& table, const Claim& claim, const std::string& source) {
  Claim::Beside beside;
  beside.part = read_part(
      table, claim, source, "[[beside]]",
      {{"says", [&](const auto& field, const toml::node& node) { beside.says = text_of(field, node); }}});
  located(source, line_of(table), [&] {
    if (beside.says.empty()) throw InputError("[[beside]]", "says", "is missing");
    if (beside.part.relation != Relation::ratio || beside.part.expect != Expect::nothing)
      throw InputError("[[beside]]", "relation",
                       "is no ratio without `expect`: nothing else was not published");
  });
  return beside;
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
  if (!document.contains("headline")) {
    throw InputError(fmt::format(
        "{}: [headline]: '' is missing: a claim says in [headline] what its title says, which decides, and "
        "in "
        "[[details]] what else was published; [[parts]] is the form of earlier versions (claims/README.md)",
        source));
  }
  Claim claim;
  claim.id = id;
  read_keys(
      document, source,
      {{"number", [&](const auto& f, const auto& n) { claim.number = static_cast<int>(whole(f, n)); }},
       {"title", [&](const auto& f, const auto& n) { claim.title = text_of(f, n); }},
       {"where", [&](const auto& f, const auto& n) { read_where(table_of(f, n), source, claim); }},
       {"published", [&](const auto& f, const auto& n) { read_published(table_of(f, n), source, claim); }},
       {"kernels",
        [&](const auto& f, const auto& n) { read_selectors(table_of(f, n), source, claim.kernels); }},
       {"best", [&](const auto& f, const auto& n) { read_selectors(table_of(f, n), source, claim.best); }},
       {"headline", [](const auto& f, const auto& n) { table_of(f, n); }},
       {"details",
        [](const auto& f, const toml::node& n) {
          if (!n.is_array_of_tables()) throw InputError(f, shown(n), "is not [[details]] tables");
        }},
       {"beside", [](const auto& f, const toml::node& n) {
          if (!n.is_array_of_tables()) throw InputError(f, shown(n), "is not [[beside]] tables");
        }}});
  const std::pair<const char*, bool> required[] = {{"number", claim.number > 0},
                                                   {"title", !claim.title.empty()},
                                                   {"[published] scope", !claim.published_scope.empty()},
                                                   {"[published] dtype", !claim.published_dtype.empty()},
                                                   {"[kernels]", !claim.kernels.empty()}};
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
  read_headline(*document["headline"].as_table(), source, claim);
  if (const auto* details = document["details"].as_array()) {
    for (const auto& table : *details)
      claim.details.push_back(read_part(*table.as_table(), claim, source, "[[details]]", {}));
  }
  if (const auto* beside = document["beside"].as_array()) {
    for (const auto& table : *beside) claim.beside.push_back(read_beside(*table.as_table(), claim, source));
  }
  return claim;
}

}  // namespace attnbench

#include "store/export.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "store/csv.h"
#include "store/store.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

class ExportTest : public StoreFixture {};

TEST_F(ExportTest, CsvHasTheStableHeaderAndOneRowASample) {
  const auto csv = samples_csv({sample_contents()});
  EXPECT_EQ(
      csv.substr(0, csv.find('\n')),
      "machine,device,cell_id,process,block,position,role,mechanism,params,kernel,engine,path,threads,dtype,"
      "scope,phase,condition,layout,batch,num_q_heads,num_kv_heads,seqlen_q,seqlen_kv,head_dim_qk,"
      "head_dim_v,d_model,causal,softmax_scale,batch_calls,time_seconds,valid,reason");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 3 * 12);
  EXPECT_THAT(
      csv, HasSubstr("\n\"AMD EPYC 9R14, 2 CPUs\",cpu,core-prefill-hot-f32-bhsd-b1-h8-q128,0,0,2,kernel,swa,"
                     "\"w=64,causal\",masked,cpu,avx512,2,f32,core,prefill,hot,bhsd,1,8,8,128,128,64,64,0,"
                     "true,0.125,7,0.3333333333333333,true,\n"));
  EXPECT_THAT(
      csv, HasSubstr(",0,0,0,sentinel,,,,,,2,f32,core,prefill,hot,bhsd,1,8,,128,128,64,64,0,,0.125,1,0.001,"
                     "true,\n"));
  EXPECT_THAT(csv, HasSubstr(",1,0.0,false,\"clock, stepped\"\n"));
  EXPECT_THAT(csv,
              HasSubstr(",10,0.30000000000000004,false,\"process: steal 3.1 % of CPU time, above 2 %\"\n"))
      << "a row must not look valid where its process is not";
}

TEST_F(ExportTest, JsonlHasTheSameColumnsWithTypes) {
  const auto text = samples_jsonl({sample_contents()});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3 * 12);
  EXPECT_TRUE(text.starts_with("{\"machine\":\"AMD EPYC 9R14, 2 CPUs\",\"device\":\"cpu\","))
      << text.substr(0, 80);
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(first["block"], -1);
  EXPECT_EQ(first["path"], "");
  EXPECT_EQ(first["valid"], true);
}

TEST_F(ExportTest, MachinesStayApart) {
  const auto csv = samples_csv({sample_contents(), sample_contents(), sample_contents("ffff")});
  EXPECT_THAT(csv, HasSubstr("\n\"AMD EPYC 9R14, 2 CPUs [0123]\","));
  EXPECT_THAT(csv, HasSubstr("\n\"AMD EPYC 9R14, 2 CPUs [0123], run 2\","));
  EXPECT_THAT(csv, HasSubstr("\n\"AMD EPYC 9R14, 2 CPUs [ffff]\","));
}

TEST_F(ExportTest, TheEnvironmentLiesBesideTheSamples) {
  EXPECT_EQ(environment_file("x/paper.csv"), "x/paper.env.json");
}

TEST_F(ExportTest, CsvReaderTakesWhatSpreadsheetsWrite) {
  const auto rows = read_csv(
      "\xef\xbb\xbf"
      "a,b\r\n\"x, \"\"y\"\"\nz\",\r\n\n1,2",
      "f.csv");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].fields, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(rows[1].fields, (std::vector<std::string>{"x, \"y\"\nz", ""}));
  EXPECT_EQ(rows[2].line, 5);
  EXPECT_THAT(error_of([] { read_csv("a,b\n1,\"2\n", "f.csv"); }), HasSubstr("f.csv: line"));
  EXPECT_THAT(error_of([] { read_csv("a,b\n1\n", "f.csv"); }),
              HasSubstr("line 2 has 1 fields, the header has 2"));
  EXPECT_THAT(error_of([] { read_csv("a\n\"1\"2\n", "f.csv"); }), HasSubstr("after a closing quote"));
  EXPECT_EQ(csv_field("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(csv_field("plain"), "plain");
}

}  // namespace
}  // namespace attnbench

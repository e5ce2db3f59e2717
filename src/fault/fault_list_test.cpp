#include "flatenn/fault/fault_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "fault/test_network.h"
#include "flatenn/base/error.h"
#include "flatenn/base/file.h"
#include "flatenn/fault/fault_config.h"
#include "flatenn/fault/injector.h"

namespace flatenn::fault {
namespace {

using testing::HasSubstr;

std::shared_ptr<const net::Network> network() {
  return make_test_network({{"conv", {4, 2, 3, 3}, 4}, {"fc", {10, 36, 1, 1}, 8}});
}

std::filesystem::path file_with(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::path(testing::TempDir()) / name;
  write_file_atomically(path, text);
  return path;
}

FaultMap read(const std::string& name, const std::string& text) {
  const MemoryLayout layout = memory_layout(*network());
  const ArrayMap arrays(layout, Encoding::kTwosComplement,
                        {.rows = 32, .columns = 64, .bits_per_cell = 2});
  return resolve(read_fault_list(file_with(name, text)), layout, &arrays);
}

std::string error_of(const std::string& text, const std::string& name = "list.csv") {
  try {
    read(name, text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(FaultList, MapsSurviveCsvAndJson) {
  const FaultModel model{.sources = {{.kinds = {0.3, 0.2, 0.2, 0.2, 0.1}},
                                     {.target = FaultTarget::kBiases, .rate = 0.1}},
                         .protection = {.code = CheckCode::kParity}};
  const Injector injector(network(), model);
  const FaultMap map = injector.draw(0.05, 1, 1);
  const std::string csv = fault_map_csv(map, injector.layout());
  EXPECT_EQ(read("map.csv", csv).faults, map.faults);
  const std::string json = fault_map_json(map, injector.layout(), {.rate = 0.05});
  EXPECT_EQ(read("map.json", json), map);
}

TEST(FaultList, AMapFromJsonMeetsTheProtectionItWasDrawnFor) {
  const std::vector<Protection> protections = {
      {},
      {.code = CheckCode::kParity},
      {.code = CheckCode::kSecded},
      {.code = CheckCode::kSecded, .zero_detected = true},
      {.hardened_bits = 1},
      {.clip_to_golden = true},
      {.clip_share = 0.5},
      {.hardened_bits = 2, .code = CheckCode::kSecded, .clip_share = 0.75}};
  for (const Protection& protection : protections) {
    FaultModel model = FaultModel::of_kind(FaultKind::kBitFlip);
    model.protection = protection;
    const Injector drawn(network(), model);
    const std::string text = fault_map_json(drawn.draw(0.02, 5, 2), drawn.layout(),
                                            {.model = to_json(model).dump(), .rate = 0.02});
    const auto list = std::make_shared<FaultList>(read_fault_list(file_with("p.json", text)));
    ASSERT_TRUE(list->protection.has_value());
    EXPECT_EQ(*list->protection, protection) << describe(model);
    const Injector listed(network(), {.sources = {{.unit = FaultUnit::kList, .list = list}},
                                      .protection = *list->protection});
    EXPECT_EQ(listed.inject(0, 0, 0).weights, drawn.inject(0.02, 5, 2).weights) << describe(model);
  }
}

TEST(FaultList, RefusesWhatItDoesNotKnowOfAMapsMemory) {
  const auto refused = [](const std::string& model) {
    return error_of(R"({"faults": [], "model": )" + model + "}", "m.json");
  };
  EXPECT_THAT(refused(R"({"protection": {"code": "bch"}})"), HasSubstr("bch"));
  EXPECT_THAT(refused(R"({"protection": {"scrub": 3}})"),
              HasSubstr("m.json: model.protection.scrub: this flatenn does not know it"));
  EXPECT_THAT(refused(R"({"retention": 1})"), HasSubstr("m.json: model.retention"));
  EXPECT_THAT(refused(R"({"protection": {"hardened_bits": "two"}})"), HasSubstr("m.json: model"));
  EXPECT_THAT(refused("3"), HasSubstr("m.json: model"));
}

TEST(FaultList, TakesElementsOrIndices) {
  const FaultMap by_element = read("a.csv", "layer,element,bit,kind\nconv,23,1,stuck_at_1\n");
  const FaultMap by_index =
      read("b.csv",
           "# made by "
           "hand\nkind,layer,out,in,kernel_row,kernel_column,bit\r\n\nstuck_at_1,conv,1,0,1,2,1\n");
  EXPECT_EQ(by_element, by_index);
  EXPECT_EQ(by_element.faults,
            (std::vector<Fault>{{{.tensor = 0, .bit = 1, .element = 23}, FaultKind::kStuckAt1}}));
  EXPECT_EQ(by_index, read("c.json", R"([{"layer": "conv", "index": [1, 0, 1, 2], "bit": 1,
                                         "kind": "stuck_at_1"}])"));
}

TEST(FaultList, CellsTakeAllTheirBitsAndUnusedOnesNone) {
  const FaultMap map =
      read("cells.csv", "array,row,column,kind\n0,5,3,stuck_at_0\n0,31,63,stuck_at_0\n");
  // Column 3 is the upper cell of channel 1; row 5 its place in the fan-in of 18.
  const Fault low{{.tensor = 0, .bit = 2, .element = 23}, FaultKind::kStuckAt0};
  const Fault high{{.tensor = 0, .bit = 3, .element = 23}, FaultKind::kStuckAt0};
  EXPECT_EQ(map.faults, (std::vector<Fault>{low, high}));
}

TEST(FaultList, IsTheSameInEveryTrial) {
  const auto list = std::make_shared<FaultList>(
      read_fault_list(file_with("d.csv", "layer,element,bit,kind\nfc,7,7,bit_flip\n")));
  const Injector injector(network(), {.sources = {{.unit = FaultUnit::kList, .list = list}}});
  EXPECT_EQ(injector.draw(0, 1, 1), injector.draw(0.5, 2, 9));
  EXPECT_EQ(injector.inject(0, 1, 1).weights.size(), 1u);
}

TEST(FaultList, ReadsWhatSpreadsheetsWrite) {
  const std::string csv = "layer,element,bit,kind\r\n\"conv\",23,1,stuck_at_1\r\n";
  EXPECT_EQ(read("bom.csv", "\xef\xbb\xbf" + csv), read("plain.csv", csv));
}

TEST(FaultList, RefusesNumbersThatNoSiteHas) {
  const std::string head = "layer,element,out,in,kernel_row,kernel_column,bit,kind\n";
  EXPECT_THAT(error_of(head + "conv,,1,-2,0,0,1,bit_flip\n"),
              HasSubstr("list.csv:2: index -2 of dimension 1 is outside the memory"));
  EXPECT_THAT(error_of(head + "conv,-1,,,,,1,bit_flip\n"),
              HasSubstr("list.csv:2: element must be at least 0, got -1"));
  EXPECT_THAT(error_of(head + "conv,,,,,,1,bit_flip\n"), HasSubstr("list.csv:2: names no element"));
  for (const char* bit : {"-1", "32", "4294967297"}) {
    EXPECT_THAT(error_of(head + "conv,1,,,,," + bit + ",bit_flip\n"),
                HasSubstr("list.csv:2: bit must be in [0, 31], got " + std::string(bit)));
    EXPECT_THAT(error_of(R"([{"layer": "conv", "element": 1, "kind": "bit_flip", "bit": )" +
                             std::string(bit) + "}]",
                         "list.json"),
                HasSubstr("list.json: faults[0]: bit must be in [0, 31], got "));
  }
  EXPECT_THAT(
      error_of(R"([{"layer": "conv", "element": -3, "bit": 0, "kind": "bit_flip"}])", "list.json"),
      HasSubstr("list.json: faults[0]: element must be at least 0, got -3"));
}

TEST(FaultList, KnowsTheEncodingThatAMapWasDrawnFor) {
  const Injector injector(network(), FaultModel::of_kind(FaultKind::kBitFlip, Encoding::kGray));
  const std::string json =
      fault_map_json(injector.draw(0.01, 1, 1), injector.layout(), {.encoding = "gray"});
  EXPECT_EQ(read_fault_list(file_with("gray.json", json)).encoding, "gray");
  EXPECT_EQ(read_fault_list(file_with("none.json", "[]")).encoding, "");
}

TEST(FaultList, NamesTheLineOfWhatIsWrong) {
  const std::string head = "layer,element,bit,kind\n";
  EXPECT_THAT(error_of(head + "conv,72,0,bit_flip\n"), HasSubstr("list.csv:2: "));
  EXPECT_THAT(error_of(head + "conv,72,0,bit_flip\n"), HasSubstr("outside the memory"));
  EXPECT_THAT(error_of(head + "conv,1,4,bit_flip\n"), HasSubstr("outside the memory"));
  EXPECT_THAT(error_of(head + "conv,1,3,bit_flip\nfc,1,1,bit_flip\nconv,1,3,stuck_at_0\n"),
              HasSubstr("list.csv:4: bit 3 of conv element 1 stands twice"));
  EXPECT_THAT(error_of(head + "conf,1,3,bit_flip\n"), HasSubstr("did you mean 'conv'"));
  EXPECT_THAT(error_of(head + "conv,one,3,bit_flip\n"),
              HasSubstr("list.csv:2: element must be an integer, got 'one'"));
  EXPECT_THAT(error_of(head + "conv,1,3,flip\n"), HasSubstr("list.csv:2: fault kind"));
  EXPECT_THAT(error_of(head + "conv,1,3\n"), HasSubstr("expected 4 fields, got 3"));
  EXPECT_THAT(error_of("layer,element,bits,kind\n"), HasSubstr("did you mean 'bit'"));
  EXPECT_THAT(error_of("layer,bit,kind\n"), HasSubstr("first line must name the columns"));
  EXPECT_THAT(error_of(""), HasSubstr("holds no faults"));
  EXPECT_THAT(error_of("array,row,column,kind\n9,0,0,bit_flip\n"),
              HasSubstr("list.csv:2: array: cell (9, 0, 0) is outside the memory"));
  EXPECT_THAT(error_of("layer,element,out,in,kernel_row,kernel_column,bit,kind\n"
                       "conv,5,0,0,0,1,0,bit_flip\n"),
              HasSubstr("contradict each other"));
}

TEST(FaultList, NamesTheEntryOfAWrongJsonFile) {
  EXPECT_THAT(error_of("{\"faults\": [", "list.json"), HasSubstr("list.json: not JSON"));
  EXPECT_THAT(error_of("{}", "list.json"), HasSubstr("has no 'faults'"));
  EXPECT_THAT(error_of(R"([{"layer": "conv", "element": 1, "bit": 0}])", "list.json"),
              HasSubstr("list.json: faults[0]: 'kind' must be a string"));
  EXPECT_THAT(error_of(R"([{"layer": "conv", "bit": 0, "kind": "bit_flip"}])", "list.json"),
              HasSubstr("needs 'element' or 'index'"));
}

TEST(FaultList, CellsNeedAGeometry) {
  const FaultList list =
      read_fault_list(file_with("e.csv", "array,row,column,kind\n0,0,0,bit_flip\n"));
  EXPECT_THROW(resolve(list, memory_layout(*network()), nullptr), Error);
  EXPECT_THROW(read_fault_list("/nowhere/list.csv"), Error);
}

TEST(FaultList, AnIndexMayLeaveOutItsLastDimensions) {
  const std::string head = "layer,out,bit,kind\n";
  EXPECT_THAT(error_of(head + "fc,3,1,bit_flip\n"), HasSubstr("first line must name the columns"));
  EXPECT_EQ(read("i.json", R"([{"layer": "fc", "index": [3, 5], "bit": 1, "kind": "bit_flip"}])"),
            read("e.csv", "layer,element,bit,kind\nfc,113,1,bit_flip\n"));
}

TEST(FaultList, AnElementBesideItsIndexMustAgreeFromTheFirstOn) {
  const auto text = [](int element, int kernel_column) {
    return "layer,element,out,in,kernel_row,kernel_column,bit,kind\nconv," +
           std::to_string(element) + ",0,0,0," + std::to_string(kernel_column) + ",1,bit_flip\n";
  };
  EXPECT_EQ(read("a.csv", text(0, 0)).faults.at(0).site.element, 0);
  EXPECT_EQ(read("a.csv", text(2, 2)).faults.at(0).site.element, 2);
  EXPECT_THAT(error_of(text(0, 1)), HasSubstr("contradict each other"));
  EXPECT_THAT(error_of(text(1, 0)), HasSubstr("contradict each other"));
}

/// Each column alone is missing once, from either form.
TEST(FaultList, AsksForEveryColumnOfItsForm) {
  const std::vector<std::vector<std::string>> forms = {
      {"layer", "element", "bit", "kind"},
      {"array", "row", "column", "kind"},
      {"layer", "out", "in", "kernel_row", "kernel_column", "bit", "kind"}};
  for (const std::vector<std::string>& form : forms) {
    for (size_t missing = 0; missing < form.size(); ++missing) {
      std::string head, row;
      for (size_t i = 0; i < form.size(); ++i) {
        if (i == missing) continue;
        head += (head.empty() ? "" : ",") + form[i];
        row += row.empty() ? "" : ",";
        row += form[i] == "layer" ? "conv" : form[i] == "kind" ? "bit_flip" : "0";
      }
      EXPECT_THAT(error_of(head + "\n" + row + "\n"), HasSubstr("first line must name the columns"))
          << head;
    }
  }
}

/// A map drawn on an array of cells: its file holds the geometry.
TEST(FaultList, KeepsTheArrayThatAMapWasDrawnOn) {
  for (const ArrayMapping mapping : {ArrayMapping::kCrossbar, ArrayMapping::kLinear}) {
    FaultModel model = FaultModel::of_kind(FaultKind::kBitFlip);
    model.sources[0].unit = FaultUnit::kRow;
    model.array = ArrayGeometry{.rows = 24, .columns = 40, .bits_per_cell = 4, .mapping = mapping};
    const Injector injector(network(), model);
    const std::string text = fault_map_json(injector.draw(0.1, 1, 1), injector.layout(),
                                            {.model = to_json(model).dump(), .rate = 0.1});
    const FaultList list = read_fault_list(file_with("array.json", text));
    ASSERT_TRUE(list.array.has_value());
    EXPECT_EQ(list.array->rows, 24);
    EXPECT_EQ(list.array->columns, 40);
    EXPECT_EQ(list.array->bits_per_cell, 4);
    EXPECT_EQ(list.array->mapping, mapping);
  }
}

/// The first site beyond each end of the memory.
TEST(FaultMap, SitesBeyondTheMemoryAreRefused) {
  const MemoryLayout layout = memory_layout(*network());
  const FaultSite last{.tensor = static_cast<int32_t>(layout.tensors.size()) - 1};
  EXPECT_NO_THROW(check_site(last, layout));
  const auto with = [&](auto change) {
    FaultSite site = last;
    change(site);
    return site;
  };
  const MemoryTensor& tensor = layout.tensors.back();
  EXPECT_NO_THROW(check_site(with([&](FaultSite& s) { s.bit = tensor.bits - 1; }), layout));
  EXPECT_NO_THROW(check_site(with([&](FaultSite& s) { s.element = tensor.elements - 1; }), layout));
  EXPECT_THROW(check_site(with([](FaultSite& s) { s.tensor += 1; }), layout), Error);
  EXPECT_THROW(check_site(with([](FaultSite& s) { s.tensor = -1; }), layout), Error);
  EXPECT_THROW(check_site(with([&](FaultSite& s) { s.bit = tensor.bits; }), layout), Error);
  EXPECT_THROW(check_site(with([](FaultSite& s) { s.bit = -1; }), layout), Error);
  EXPECT_THROW(check_site(with([&](FaultSite& s) { s.element = tensor.elements; }), layout), Error);
  EXPECT_THROW(check_site(with([](FaultSite& s) { s.element = -1; }), layout), Error);
}

TEST(FaultList, IsDescribedByTheNumberOfItsDefects) {
  FaultSource source{.unit = FaultUnit::kList};
  FaultList list;
  list.faults.resize(3);
  list.cells.resize(2);
  source.list = std::make_shared<FaultList>(list);
  EXPECT_THAT(describe(FaultModel{.sources = {source}}), HasSubstr("a list of 5 defects"));
}

}  // namespace
}  // namespace flatenn::fault

#include "store/plan_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "store/store_test_support.h"

namespace flatenn::store {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// A stratified plan of one model, two kinds and three levels on 50 images.
struct Documents {
  json settings = json::parse(R"({"dataset": {"images": 50}, "kinds": [{}, {}], "models": [{}],
      "levels": [{}, {}, {}], "single_fault": null, "trials": 10, "estimator": "stratified"})");
  json layout = json::parse(R"({"models": [{"goldens": ["a", "b"], "strata": []}],
      "levels": ["", "", ""], "tolerated_drop": 0.01, "wanted_accuracy": 0.8})");
  json pilot = json::parse(R"({"trials": 5, "images": 20, "images_per_trial": 10, "cells": []})");

  Documents() {
    for (int cell = 0; cell < 6; ++cell) {
      pilot["cells"].push_back(json::parse(
          R"({"mean": 0.1, "between_sd": 0.2, "within_sd": 0.3, "control": 0.9, "untouched": 0.5,
              "untouched_faults": 2, "strata": [
              {"bits": 7, "weight": 0.3, "sd": 0.1, "trials": 4, "name": "s"},
              {"bits": 9, "weight": 0.2, "sd": 0.1, "trials": 6, "name": "t"}]})"));
    }
  }

  PlanShape shape() const {
    PlanRow plan;
    plan.settings = settings.dump();
    plan.fingerprint = sha256_hex(plan.settings);
    plan.layout = layout.dump();
    plan.pilot = pilot.is_null() ? "" : pilot.dump();
    return plan_shape(plan, 50, 1);
  }
};

json& at(Documents& documents, const std::string& document, const std::string& pointer) {
  json& whole = document == "settings" ? documents.settings
                : document == "layout" ? documents.layout
                                       : documents.pilot;
  return whole.at(json::json_pointer(pointer));
}

/// A single-fault plan with one stratum.
Documents single_fault() {
  Documents documents;
  documents.settings["single_fault"] = "sampled";
  documents.settings.erase("estimator");
  documents.layout["models"][0]["strata"] = json::parse(
      R"([{"layer": 3, "bit": 2, "population": 900, "wanted": 40, "name": "fc bit 2"}])");
  documents.pilot = nullptr;
  return documents;
}

struct Bounds {
  std::string document;
  std::string pointer;
  double least;
  double most;
  bool of_single_fault = false;
};

/// Both ends are taken; what is beyond is refused by its name, from either side.
TEST(PlanShape, EveryNumberHasItsRange) {
  const std::vector<Bounds> all = {{"settings", "/trials", 1, 1e18, true},
                                   {"layout", "/tolerated_drop", 0, 1},
                                   {"layout", "/wanted_accuracy", 0, 1},
                                   {"layout", "/models/0/strata/0/layer", 0, 1e6, true},
                                   {"layout", "/models/0/strata/0/bit", 0, 63, true},
                                   {"layout", "/models/0/strata/0/population", 40, 1e18, true},
                                   {"layout", "/models/0/strata/0/wanted", 1, 900, true},
                                   {"pilot", "/trials", 1, 1e9},
                                   {"pilot", "/images", 1, 50},
                                   {"pilot", "/images_per_trial", 1, 50},
                                   {"pilot", "/cells/3/mean", -1, 2},
                                   {"pilot", "/cells/3/between_sd", 0, 2},
                                   {"pilot", "/cells/3/within_sd", 0, 2},
                                   {"pilot", "/cells/3/control", 0, 1},
                                   {"pilot", "/cells/3/untouched", 0, 1},
                                   {"pilot", "/cells/3/untouched_faults", 0, 1e15},
                                   {"pilot", "/cells/3/strata/1/bits", 1, 1e15},
                                   {"pilot", "/cells/3/strata/1/weight", 0, 1},
                                   {"pilot", "/cells/3/strata/1/sd", 0, 2}};
  for (const Bounds& bounds : all) {
    const std::string key = bounds.pointer.substr(bounds.pointer.rfind('/') + 1);
    const auto with = [&](double value) {
      Documents documents = bounds.of_single_fault ? single_fault() : Documents();
      at(documents, bounds.document, bounds.pointer) = value;
      return documents;
    };
    EXPECT_NO_THROW(with(bounds.least).shape()) << bounds.pointer;
    EXPECT_NO_THROW(with(bounds.most).shape()) << bounds.pointer;
    for (const double beyond :
         {bounds.least - 0.25, bounds.most + std::max(0.25, bounds.most * 1e-9)}) {
      // What depends on the number that is off may be named in its place.
      const std::string named = key == "population" ? "" : key + " is ";
      EXPECT_THAT(error_of([&] { with(beyond).shape(); }), HasSubstr(named)) << beyond;
    }
  }
}

TEST(PlanShape, EveryCountFitsItsOthers) {
  const std::vector<std::pair<std::string, std::function<void(Documents&)>>> cases = {
      {"settings tells of 49 images", [](auto& d) { d.settings["dataset"]["images"] = 49; }},
      {"settings tells of 2 models", [](auto& d) { d.settings["models"].push_back({}); }},
      {"layout tells of 0 models", [](auto& d) { d.layout["models"].clear(); }},
      {"layout tells of 2 levels", [](auto& d) { d.layout["levels"].erase(0); }},
      {"not one golden pass", [](auto& d) { d.layout["models"][0]["goldens"].erase(0); }},
      {"pilot tells of 5 cells of 6", [](auto& d) { d.pilot["cells"].erase(0); }},
      {"gives 9 trials to strata", [](auto& d) { d.pilot["cells"][5]["strata"][1]["trials"] = 5; }},
      {"disagree on whether cells are stratified",
       [](auto& d) { d.pilot["cells"][2].erase("strata"); }},
      {"disagree on whether cells are stratified", [](auto& d) { d.settings.erase("estimator"); }},
      {"pilot is empty, but the plan is stratified", [](auto& d) { d.pilot = nullptr; }},
      {"a stratum has no name", [](auto& d) { d.pilot["cells"][0]["strata"][0]["name"] = 1; }},
      {"is not as flatenn wrote it", [](auto& d) { d.pilot["cells"][0].erase("mean"); }},
      {"is not as flatenn wrote it", [](auto& d) {
         d.settings["levels"] = 5;
         d.layout.erase("levels");
       }}};
  for (const auto& [words, change] : cases) {
    Documents documents;
    change(documents);
    EXPECT_THAT(error_of([&] { documents.shape(); }), HasSubstr(words));
  }
}

/// Two trials a stratum at least, else there is no spread.
TEST(PlanShape, AStratumHasTwoTrials) {
  const auto with = [](int first) {
    Documents documents;
    documents.pilot["cells"][0]["strata"][0]["trials"] = first;
    documents.pilot["cells"][0]["strata"][1]["trials"] = 10 - first;
    return documents;
  };
  EXPECT_NO_THROW(with(2).shape());
  EXPECT_NO_THROW(with(8).shape());
  EXPECT_THAT(error_of([&] { with(1).shape(); }), HasSubstr("trials is 1"));
  EXPECT_THAT(error_of([&] { with(9).shape(); }), HasSubstr("trials is 1"));
}

TEST(PlanShape, CellsRunOverModelsKindsAndLevels) {
  const PlanShape shape = Documents().shape();
  EXPECT_EQ(shape.images_per_trial, 10);
  ASSERT_EQ(shape.cells.size(), 6U);
  for (int64_t i = 0; i < 6; ++i) {
    const PlanShape::Cell& cell = shape.cells[static_cast<size_t>(i)];
    EXPECT_EQ(cell.row.cell, i);
    EXPECT_EQ(cell.row.kind, i / 3);
    EXPECT_EQ(cell.row.level, i % 3);
    EXPECT_EQ(cell.trials, 10);
  }
}

TEST(PlanShape, StrataOfSingleFaultsAreItsCells) {
  const PlanShape shape = single_fault().shape();
  EXPECT_EQ(shape.images_per_trial, 50);
  ASSERT_EQ(shape.cells.size(), 2U) << "one stratum, two kinds";
  EXPECT_EQ(shape.cells[1].trials, 40);
}

TEST(PlanShape, ADamagedCountDoesNotFillTheMemory) {
  Documents documents = single_fault();
  const json one = documents.layout["models"][0]["strata"][0];
  for (int i = 1; i < 4100; ++i) {
    documents.settings["kinds"].push_back(json::object());
    documents.layout["models"][0]["goldens"].push_back("a");
    documents.layout["models"][0]["strata"].push_back(one);
  }
  EXPECT_THAT(error_of([&] { documents.shape(); }), HasSubstr("tells of too many cells"));
}

}  // namespace
}  // namespace flatenn::store

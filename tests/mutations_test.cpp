#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "corpus.h"
#include "engine/reference.h"
#include "flatenn/base/error.h"
#include "flatenn/engine/engine.h"
#include "flatenn/interop/onnx.h"

/// Small networks in which one attribute or one constant of one operator was changed
/// (tests/corpus/make/mutations.py): each gives the runtime's numbers or is refused. An attribute
/// or input that import ignored would give those of the unchanged network.
namespace flatenn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kFolder = corpus::kFolder / "mutations";

/// Where float32 is not exact in the runtime (averages, functions, thirds), a few codes may lie
/// beside ours.
constexpr double kMostTies = 0.05;
bool is_exact(const std::string& base, const std::string& change) {
  static const std::set<std::string> kRounded = {"QLinearAdd",
                                                 "QLinearMul",
                                                 "QLinearLeakyRelu",
                                                 "QLinearConcat",
                                                 "AveragePool",
                                                 "GlobalAveragePool",
                                                 "ReduceMean",
                                                 "QLinearAveragePool",
                                                 "QLinearGlobalAveragePool",
                                                 "BatchNormalization",
                                                 "Elu",
                                                 "HardSigmoid",
                                                 "HardSwish",
                                                 "Sigmoid",
                                                 "QLinearSigmoid",
                                                 "Tanh",
                                                 "Softplus",
                                                 "Exp",
                                                 "Sqrt",
                                                 "Erf",
                                                 "Gelu",
                                                 "Mish",
                                                 "Selu",
                                                 "Softsign"};
  if (base.find("Quant") != std::string::npos && change.find("input 2") != std::string::npos) {
    return false;  // an odd zero point, added before ties are rounded to even
  }
  return !kRounded.contains(base.substr(0, base.find(' '))) &&
         change.find("third") == std::string::npos;
}

struct Counts {
  int64_t accepted = 0;
  int64_t refused = 0;
};

/// Reals of the network's answer for every image.
std::vector<float> answers(const net::Network& given, const json& images) {
  auto network = std::make_shared<const net::Network>(given);
  const auto codes = corpus::image_codes(*network, images["shape"], images["values"]);
  engine::ReferenceEngine engine(network, codes, 1);
  std::vector<float> logits(static_cast<size_t>(codes->count * network->classes()));
  engine::Job job{.logits = logits};
  engine.run({&job, 1});
  return logits;
}

/// The runtime's answer may be that of a Softmax, a place or the first places.
bool same_class(const std::vector<float>& own, const std::vector<double>& theirs, size_t images) {
  const size_t classes = own.size() / images;
  const size_t columns = theirs.size() / images;
  for (size_t i = 0; i < images; ++i) {
    const auto first = own.begin() + static_cast<int64_t>(i * classes);
    const auto best = std::max_element(first, first + static_cast<int64_t>(classes));
    const auto row = theirs.begin() + static_cast<int64_t>(i * columns);
    if (columns == classes) {
      const auto top = std::max_element(row, row + static_cast<int64_t>(columns));
      if (best - first != top - row) return false;
    } else if (*row != static_cast<double>(best - first) &&
               std::abs(*row - static_cast<double>(*best)) > 1e-6) {
      return false;
    }
  }
  return true;
}

std::string difference(const json& one, const net::Network& network, const json& images) {
  std::vector<double> theirs;
  for (const json& value : one["answers"])
    theirs.push_back(value.is_null() ? NAN : value.get<double>());
  const std::vector<float> own = answers(network, images);
  const std::string base = one["base"];
  for (const char* head : {"Softmax", "LogSoftmax", "ArgMax", "TopK"}) {
    if (base.starts_with(head)) {
      return same_class(own, theirs, images["shape"][0]) ? "" : "another class";
    }
  }
  if (own.size() != theirs.size()) return "another shape";
  double step = 0;
  int64_t differ = 0;
  double most = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    const double apart = std::abs(static_cast<double>(own[i]) - theirs[i]);
    if (!(apart <= 1e-6 * std::max(1.0, std::abs(theirs[i])))) ++differ;
    most = std::isnan(apart) ? INFINITY : std::max(most, apart);
  }
  step = network.logits().is_float ? 0 : static_cast<double>(network.logits().scale);
  const bool ties = !is_exact(base, one["change"]) &&
                    static_cast<double>(differ) <= kMostTies * static_cast<double>(own.size()) &&
                    most <= 1.01 * step;
  return differ == 0 || ties ? ""
                             : std::to_string(differ) + " of " + std::to_string(own.size()) +
                                   " differ, by up to " + std::to_string(most);
}

TEST(Mutations, GiveTheRuntimesNumbersOrAreRefused) {
  const json all = json::parse(corpus::gunzip(kFolder / "cases.json.gz"));
  const std::string models = corpus::gunzip(kFolder / "models.gz");
  const fs::path file = fs::temp_directory_path() / "flatenn_mutation.onnx";
  std::map<std::string, Counts> counts;
  for (const json& one : all["cases"]) {
    const std::string base = one["base"];
    const std::string change = one["change"];
    std::ofstream(file, std::ios::binary)
        << models.substr(one["offset"].get<size_t>(), one["bytes"].get<size_t>());
    try {
      const net::Network network = interop::read_onnx(file);
      ++counts[base].accepted;
      if (one["answers"].is_null()) {
        ADD_FAILURE() << base << ", " << change << ": accepted, but the runtime refuses it";
        continue;
      }
      const std::string found = difference(one, network, all["images"]);
      if (!found.empty()) ADD_FAILURE() << base << ", " << change << ": " << found;
    } catch (const Error& error) {
      ++counts[base].refused;
      const std::string message = error.what();
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
      EXPECT_NE(change, "base") << base << ": " << message;
    }
  }
  fs::remove(file);
  EXPECT_GE(std::ssize(counts), 100);
  for (const auto& [base, count] : counts) EXPECT_GE(count.accepted, 1) << base;
}

}  // namespace
}  // namespace flatenn

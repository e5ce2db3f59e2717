#include "flatenn/data/catalogue.h"

#include <algorithm>

#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::data {
namespace {

constexpr int64_t kIdxTrainBytes = 16 + 60000 * 28 * 28;
constexpr int64_t kIdxTestBytes = 16 + 10000 * 28 * 28;
constexpr int64_t kCifarBytes = 10000 * (1 + 3 * 32 * 32);

DataSet mnist() {
  return {.name = "mnist",
          .title = "MNIST",
          .format = Format::kIdx,
          .channels = 1,
          .height = 28,
          .width = 28,
          .train_images = 60000,
          .test_images = 10000,
          .class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
          .mean = {0.130660F},
          .std = {0.308108F},
          .folders = {{"mnist", 1}, {"MNIST/raw", 1}},
          .files = {
              {"train-images-idx3-ubyte",
               "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", kIdxTrainBytes},
              {"train-labels-idx1-ubyte",
               "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60008},
              {"t10k-images-idx3-ubyte",
               "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", kIdxTestBytes},
              {"t10k-labels-idx1-ubyte",
               "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10008}}};
}

DataSet fashion_mnist() {
  return {.name = "fashion-mnist",
          .title = "Fashion-MNIST",
          .format = Format::kIdx,
          .channels = 1,
          .height = 28,
          .width = 28,
          .train_images = 60000,
          .test_images = 10000,
          .class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
                          "Sneaker", "Bag", "Ankle boot"},
          .mean = {0.286041F},
          .std = {0.353024F},
          .folders = {{"fashion-mnist", 1}, {"FashionMNIST/raw", 1}, {"fmnist-2k", 1}},
          .files = {
              {"train-images-idx3-ubyte",
               "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", kIdxTrainBytes},
              {"train-labels-idx1-ubyte",
               "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60008},
              {"t10k-images-idx3-ubyte",
               "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", kIdxTestBytes},
              {"t10k-labels-idx1-ubyte",
               "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10008}}};
}

DataSet cifar10() {
  return {
      .name = "cifar10",
      .title = "CIFAR-10",
      .format = Format::kCifarBinary,
      .channels = 3,
      .height = 32,
      .width = 32,
      .train_images = 50000,
      .test_images = 10000,
      .class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                      "ship", "truck"},
      .mean = {0.491400F, 0.482158F, 0.446531F},
      .std = {0.247032F, 0.243485F, 0.261588F},
      .folders = {{"cifar-10-batches-bin", 5}, {"cifar10-2k", 1}},
      .files = {{"data_batch_1.bin",
                 "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5", kCifarBytes},
                {"data_batch_2.bin",
                 "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed", kCifarBytes},
                {"data_batch_3.bin",
                 "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67", kCifarBytes},
                {"data_batch_4.bin",
                 "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48", kCifarBytes},
                {"data_batch_5.bin",
                 "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add", kCifarBytes},
                {"test_batch.bin",
                 "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b", kCifarBytes}}};
}

}  // namespace

const std::vector<DataSet>& catalogue() {
  static const std::vector<DataSet> sets{mnist(), fashion_mnist(), cifar10()};
  return sets;
}

bool is_known_data(const std::string& name) {
  const auto& sets = catalogue();
  return std::any_of(sets.begin(), sets.end(),
                     [&](const DataSet& set) { return set.name == name; });
}

const DataSet& find_data_set(const std::string& name) {
  std::vector<std::string> names;
  std::string listed;
  for (const DataSet& set : catalogue()) {
    if (set.name == name) return set;
    names.push_back(set.name);
    listed += (listed.empty() ? "" : ", ") + set.name;
  }
  const auto nearest = nearest_name(name, names);
  throw Error("unknown data set '" + name + "'" +
              (nearest ? "; did you mean " + *nearest + "?" : "") + " (known: " + listed +
              "; or the path of your own data)");
}

}  // namespace flatenn::data

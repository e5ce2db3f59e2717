#include "nn/zoo/zoo.h"

#include <array>
#include <string>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

struct Architecture {
  const char* name;
  Graph (*build)(const ModelOptions&);
};

constexpr std::array kArchitectures = {
    Architecture{"mlp", mlp},
    Architecture{"lenet5", lenet5},
    Architecture{"resnet8", resnet8},
    Architecture{"resnet20", resnet20},
    Architecture{"resnet18", resnet18},
    Architecture{"resnet34", resnet34},
    Architecture{"resnet50", resnet50},
    Architecture{"vgg11-bn", vgg11_bn},
    Architecture{"vgg16-bn", vgg16_bn},
    Architecture{"mobilenetv1-0.25", mobilenetv1_025},
    Architecture{"mobilenetv2", mobilenetv2},
    Architecture{"ds-cnn", ds_cnn},
    Architecture{"densenet-bc-40-12", densenet_bc_40_12},
};

std::string all_names() {
  std::string text;
  for (const std::string& name : architecture_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& one : kArchitectures) names.emplace_back(one.name);
  return names;
}

Graph build_graph(const ModelOptions& options) {
  FLATENN_CHECK(options.classes >= 2, "model: expected at least 2 classes, got ", options.classes);
  FLATENN_CHECK(options.input.elements() >= 1, "model: the image has no pixels");
  for (const Architecture& one : kArchitectures)
    if (options.architecture == one.name) return one.build(options);
  throw Error("model: unknown architecture \"" + options.architecture + "\"; expected one of " +
              all_names());
}

}  // namespace flatenn::nn

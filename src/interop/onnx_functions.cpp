#include "interop/onnx_functions.h"

#include <algorithm>
#include <cmath>

namespace flatenn::interop {
namespace {

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

float softplus(float x) { return std::max(x, 0.0F) + std::log1p(std::exp(-std::abs(x))); }

float gelu(float x) { return 0.5F * x * (1 + std::erf(x * std::sqrt(0.5F))); }

float gelu_tanh(float x) {
  constexpr float kFactor = 0.7978845608F;  // sqrt(2 / pi)
  return 0.5F * x * (1 + std::tanh(kFactor * (x + 0.044715F * x * x * x)));
}

}  // namespace

std::function<float(float)> unary_function(const onnx::NodeProto& node) {
  Attributes attributes(node);
  std::function<float(float)> function;
  const std::string& op = node.op_type();
  if (op == "LeakyRelu") {
    const float alpha = attributes.get_float("alpha", 0.01F);
    function = [alpha](float x) { return x < 0 ? alpha * x : x; };
  } else if (op == "Elu") {
    const float alpha = attributes.get_float("alpha", 1);
    function = [alpha](float x) { return x < 0 ? alpha * std::expm1(x) : x; };
  } else if (op == "HardSigmoid") {
    const float alpha = attributes.get_float("alpha", 0.2F);
    const float beta = attributes.get_float("beta", 0.5F);
    function = [=](float x) { return std::clamp(alpha * x + beta, 0.0F, 1.0F); };
  } else if (op == "HardSwish") {
    function = [](float x) { return x * std::clamp(x * (1.0F / 6.0F) + 0.5F, 0.0F, 1.0F); };
  } else if (op == "Sigmoid") {
    function = sigmoid;
  } else if (op == "Tanh") {
    function = [](float x) { return std::tanh(x); };
  } else if (op == "Softplus") {
    function = softplus;
  } else if (op == "Mish") {
    function = [](float x) { return x * std::tanh(softplus(x)); };
  } else if (op == "Softsign") {
    function = [](float x) { return x / (1 + std::abs(x)); };
  } else if (op == "Gelu") {
    const std::string approximate = attributes.get_string("approximate", "none");
    if (approximate != "none" && approximate != "tanh") {
      fail_at(node, "approximate " + approximate + " is not supported");
    }
    function = approximate == "tanh" ? gelu_tanh : gelu;
  } else if (op == "Selu") {
    const float alpha = attributes.get_float("alpha", 1.67326319F);
    const float gamma = attributes.get_float("gamma", 1.05070102F);
    function = [=](float x) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); };
  } else if (op == "Abs") {
    function = [](float x) { return std::abs(x); };
  } else if (op == "Neg") {
    function = [](float x) { return -x; };
  } else if (op == "Exp") {
    function = [](float x) { return std::exp(x); };
  } else if (op == "Sqrt") {
    function = [](float x) { return std::sqrt(x); };
  } else if (op == "Round") {
    function = [](float x) { return std::nearbyint(x); };
  } else if (op == "Erf") {
    function = [](float x) { return std::erf(x); };
  }
  attributes.finish();
  return function;
}

}  // namespace flatenn::interop

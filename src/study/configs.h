#pragma once

#include <string_view>

/// Files of configs/ carried inside the binary (src/study/CMakeLists.txt).
namespace flatenn::study {

std::string_view study_lenet5_toml();
std::string_view study_resnet18_toml();
std::string_view regimes_lenet5_toml();
std::string_view regimes_resnet18_toml();
std::string_view lenet5_fashion_mnist_sgd_standard_toml();
std::string_view cifar10_resnet18_float_toml();
std::string_view cifar10_resnet18_w4a4_sgd_standard_toml();

}  // namespace flatenn::study

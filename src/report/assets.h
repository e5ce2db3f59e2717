#pragma once

#include <string_view>

/// Files of src/report/assets and Plotly, carried inside the binary (cmake/FlatennEmbed.cmake).
namespace flatenn::report {

std::string_view page_css();
std::string_view page_js();
std::string_view plotly_js();

}  // namespace flatenn::report

#pragma once

#include <string>

#include "flatenn/report/section.h"

namespace flatenn::report {

/// One section as HTML; figures appear as SVG beside an empty element that the page's script fills
/// with the interactive form.
std::string section_html(const Section& section);
std::string table_html(const Table& table);

/// JSON text that can stand inside a <script> element: no "</script>" or "<!--" can occur in it.
std::string embeddable(const std::string& json);

}  // namespace flatenn::report

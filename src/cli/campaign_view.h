#pragma once

#include <memory>

#include "flatenn/campaign/campaign.h"

namespace flatenn::cli {

/// A progress line on a terminal with a line for each finished cell; silent elsewhere and when
/// quiet.
std::unique_ptr<campaign::Observer> make_console_view(bool quiet);

/// One JSON object a line on stdout: "started", "progress", "cell".
std::unique_ptr<campaign::Observer> make_json_view();

/// The closing event of the JSON stream.
void print_json_end(const campaign::CampaignReport& report);

}  // namespace flatenn::cli

#include "cli/reading_options.h"

#include <map>
#include <string>

namespace flatenn::cli {

CLI::Option* add_pixels_option(CLI::App& command, interop::Pixels& pixels) {
  using interop::Pixels;
  const std::map<std::string, Pixels> ranges{{"normalized", Pixels::kNormalized},
                                             {"0..255", Pixels::kBytes},
                                             {"0..1", Pixels::kUnit},
                                             {"-1..1", Pixels::kSymmetric}};
  return command
      .add_option("--pixels", pixels,
                  "What the network takes for a pixel: normalized (as the data set's mean and "
                  "deviation make it), 0..255, 0..1 or -1..1 [what the file says or shows]")
      ->transform(CLI::CheckedTransformer(ranges))
      ->type_name("RANGE");
}

}  // namespace flatenn::cli

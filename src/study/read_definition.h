#pragma once

#include "flatenn/study/definition.h"

namespace flatenn::study {

/// The keys that a study and a grid of regimes share: title, seeds, [recipes], [campaign] without
/// its cells, claims.min_seeds, [tune]. Throws Error with file and line.
void read_shared_keys(Config& config, Definition& definition);

/// An interval over maps needs several.
void check_trials(const Config& config, const Definition& definition);

}  // namespace flatenn::study

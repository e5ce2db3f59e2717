#include <array>

#include "store/check.h"

namespace flatenn::store {
namespace {

// Counts lie below 2^53, so that all of them are exact as doubles and their sums cannot overflow.
constexpr std::array kRules = {
    ColumnRule{"datasets", "hash", "hash <> ''"},
    ColumnRule{"datasets", "name", "name <> ''"},
    ColumnRule{"datasets", "split", "split IN ('test', 'train')"},
    ColumnRule{"datasets", "images", "images BETWEEN 1 AND 1000000000"},
    ColumnRule{"models", "hash", "hash <> ''"},
    ColumnRule{"models", "weight_bits", "weight_bits BETWEEN 1 AND 1000000000000000"},
    ColumnRule{"goldens", "model", "model IN (SELECT hash FROM models)"},
    ColumnRule{"goldens", "dataset", "dataset IN (SELECT hash FROM datasets)"},
    ColumnRule{"goldens", "correct",
               "correct BETWEEN 0 AND (SELECT images FROM datasets WHERE hash = dataset)"},
    ColumnRule{"goldens", "loss", "loss BETWEEN 0 AND 1e300"},
    ColumnRule{
        "goldens", "predictions",
        "typeof(predictions) = 'blob' AND "
        "(SELECT length(predictions) IN (images, 2 * images) FROM datasets WHERE hash = dataset)"},
    ColumnRule{"plans", "id", "id BETWEEN 1 AND 1000000000000000"},
    ColumnRule{"plans", "name", "name <> ''"},
    ColumnRule{"plans", "fingerprint", "length(fingerprint) = 64"},
    ColumnRule{"plans", "settings", "settings <> ''"},  // and plan_shape, as the next two
    ColumnRule{"plans", "layout", "layout <> ''"},
    ColumnRule{"plans", "pilot", "typeof(pilot) = 'text'"},
    ColumnRule{"plans", "version", "version <> ''"},
    ColumnRule{"plans", "created", "created GLOB '[0-9][0-9][0-9][0-9]-*T*Z'"},
    ColumnRule{"plans", "dataset", "dataset IN (SELECT hash FROM datasets)"},
    ColumnRule{"plan_models", "plan", "plan IN (SELECT id FROM plans)"},
    ColumnRule{"plan_models", "position",
               "position BETWEEN 0 AND (SELECT count(*) - 1 FROM plan_models AS other "
               "WHERE other.plan = plan_models.plan)"},
    ColumnRule{"plan_models", "model", "model IN (SELECT hash FROM models)"},
    ColumnRule{"plan_models", "name", "name <> ''"},
    ColumnRule{"plan_models", "metadata",
               "CASE WHEN json_valid(metadata) THEN json_type(metadata) = 'object' AND NOT EXISTS "
               "(SELECT 1 FROM json_each(metadata) WHERE type <> 'text') END"},
    ColumnRule{"cells", "plan", "plan IN (SELECT id FROM plans)"},
    ColumnRule{"cells", "cell",
               "EXISTS (SELECT 1 FROM temp.expected AS e WHERE "
               "e.plan = cells.plan AND e.cell = cells.cell)"},
    ColumnRule{"cells", "model",
               "model = (SELECT e.model FROM temp.expected AS e WHERE "
               "e.plan = cells.plan AND e.cell = cells.cell)"},
    ColumnRule{"cells", "kind",
               "kind = (SELECT e.kind FROM temp.expected AS e WHERE "
               "e.plan = cells.plan AND e.cell = cells.cell)"},
    ColumnRule{"cells", "level",
               "level = (SELECT e.level FROM temp.expected AS e WHERE "
               "e.plan = cells.plan AND e.cell = cells.cell)"},
    ColumnRule{"trials", "id", "trials.id BETWEEN 1 AND 1000000000000000"},
    ColumnRule{"trials", "plan", "trials.plan IN (SELECT id FROM plans)"},
    ColumnRule{"trials", "cell", "e.cell IS NOT NULL"},
    ColumnRule{"trials", "trial", "trial BETWEEN 0 AND e.trials - 1"},
    ColumnRule{"trials", "images", "images = e.trial_images"},
    ColumnRule{"trials", "golden_correct", "golden_correct BETWEEN 0 AND images"},
    ColumnRule{"trials", "identical", "identical BETWEEN 0 AND images"},
    ColumnRule{"trials", "sdc1_right", "sdc1_right BETWEEN 0 AND golden_correct"},
    ColumnRule{"trials", "sdc1_wrong", "sdc1_wrong BETWEEN 0 AND images - golden_correct"},
    ColumnRule{"trials", "masked", "masked = images - identical - sdc1_right - sdc1_wrong"},
    ColumnRule{"trials", "correct",
               "correct - golden_correct + sdc1_right BETWEEN 0 AND sdc1_wrong"},
    ColumnRule{"trials", "loss", "loss BETWEEN 0 AND 1e300"},
    ColumnRule{"trials", "drawn", "drawn BETWEEN 0 AND 1000000000000000"},
    ColumnRule{"trials", "landed", "landed BETWEEN 0 AND drawn"},
    ColumnRule{"workers", "id", "id BETWEEN 1 AND 1000000000000000"},
    ColumnRule{"workers", "plan", "plan IN (SELECT id FROM plans)"},
    ColumnRule{"workers", "host", "host <> ''"},
    ColumnRule{"workers", "pid", "pid BETWEEN 1 AND 2147483647"},
    ColumnRule{"workers", "heartbeat", "heartbeat BETWEEN 0 AND 1e11"},
    ColumnRule{"workers", "engine", "engine <> ''"},
    ColumnRule{"workers", "threads", "threads BETWEEN 0 AND 1000000"},
    ColumnRule{"workers", "version", "version <> ''"},
    ColumnRule{"workers", "started", "started GLOB '[0-9][0-9][0-9][0-9]-*T*Z'"},
    ColumnRule{"workers", "finished", "finished = '' OR finished GLOB '[0-9][0-9][0-9][0-9]-*T*Z'"},
    ColumnRule{"workers", "ending",
               "ending IN ('', 'done', 'interrupted', 'time limit', 'failed')"},
    ColumnRule{"workers", "trials", "trials BETWEEN 0 AND 1000000000000000"},
    ColumnRule{"claims", "plan", "claims.plan IN (SELECT id FROM plans)"},
    ColumnRule{"claims", "cell", "e.cell IS NOT NULL"},
    ColumnRule{"claims", "trial", "trial BETWEEN 0 AND e.trials - 1"},
    ColumnRule{"claims", "worker", "worker IN (SELECT id FROM workers)"},
};

}  // namespace

std::span<const ColumnRule> column_rules() { return kRules; }

}  // namespace flatenn::store

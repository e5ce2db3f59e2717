#pragma once

#include <string>

#include "flatenn/campaign/results.h"
#include "flatenn/report/table.h"

namespace flatenn::report {

/// What was faulty and how it was stored and guarded, the same for all kinds or kind by kind:
/// "all weights, two's complement", "layer fc1, bit 3, Gray code, SECDED".
std::string fault_words(const campaign::PlanResult& plan);

/// A plan as a table for a paper: one row a network and kind of fault, one column a level; texts
/// "91.20" and "44.1 ± 0.8" (mean accuracy in percent and half its 95 % interval). Single-fault
/// plans: one row a layer and bit.
Table paper_table(const campaign::PlanResult& plan);

/// The table in LaTeX (packages booktabs and, for ±, none), with a caption and a label.
std::string to_latex(const Table& table);
/// The table in GitHub's Markdown.
std::string to_markdown(const Table& table);

}  // namespace flatenn::report

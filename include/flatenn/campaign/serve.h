#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatenn/campaign/campaign.h"
#include "flatenn/campaign/transport.h"

namespace flatenn::campaign {

/// What rank 0 reads for all ranks, so that the others need no shared folder for it.
struct CrewFiles {
  std::string version;              ///< Of flatenn.
  std::string plan;                 ///< Text of the plan file; empty without one.
  std::vector<std::string> models;  ///< Content of each of the plan's model files.
};

/// Reads the plan's models and sends all to all ranks; called by rank 0.
void send_crew_files(Transport& transport, const std::string& plan_text, const Plan& plan);
/// Lets the other ranks know that rank 0 gives up.
void send_no_crew_files(Transport& transport);
/// Tells the other ranks that there is nothing more to run; they are told so again after a run.
void dismiss_ranks(Transport& transport);
/// The other ranks' part; nothing where rank 0 gave up.
std::optional<CrewFiles> receive_crew_files(Transport& transport);

/// The plan's networks from what rank 0 read; a model whose weights lie in files beside it is read
/// from its path here.
std::vector<std::shared_ptr<const net::Network>> crew_networks(const CrewFiles& files,
                                                               const Plan& plan);

/// What a rank sends to rank 0 that takes no part, and why; and the first byte of what it waits for
/// then. For ranks that cannot use this build's Transport.
std::string refusal(const std::string& reason);
char stop_byte();

struct ServedPlan {
  Plan plan;
  CampaignOptions options;
};

/// Runs the trials that rank 0 asks for until it says that there are no more. `prepare` makes this
/// rank's plan; what it and running throw (no data, another version, no GPU) is told to rank 0,
/// which goes on without this rank. Where nothing is heard of rank 0 for `patience_s` after the
/// start, it is taken for lost, and this rank ends too.
void serve_campaign(Transport& transport, const std::function<ServedPlan()>& prepare,
                    double patience_s = 180);

}  // namespace flatenn::campaign

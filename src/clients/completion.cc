#include "clients/completion.h"

#include "clients/src/bridge.rs.h"

namespace dataflow::clients {

void Completion::complete(Reply reply) { done_(&reply); }

}  // namespace dataflow::clients

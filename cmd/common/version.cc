#include "cmd/common/version.h"

namespace dataflow::cmd {

std::string_view version() { return DATAFLOW_VERSION; }

}  // namespace dataflow::cmd
